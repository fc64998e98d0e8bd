// The incident worker: long-lived incidents, their pages and their reports. Deployed into the resource
// group of main.bicep once its image is in the registry: by azd after the push, or by hand.

import { namesOf } from 'modules/names.bicep'

@description('As in main.bicep.')
@minLength(2)
@maxLength(16)
param environmentName string

@description('The Azure region.')
param location string = resourceGroup().location

@description('Address of Temporal\'s frontend, host:port.')
@minLength(3)
param temporalAddress string

@description('The Temporal namespace.')
@minLength(1)
param temporalNamespace string

@description('How to authenticate to Temporal, as in main.bicep.')
@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string = 'apiKey'

@description('The image, with its tag or digest.')
@minLength(1)
param image string

@description('Variables that policies and the on-call file name, from Key Vault: PAGER_KEY=pager-key,CHAT_URL=chat-url.')
param vaultVariables string = ''

@description('The address of the HTTP application, output PLATFORM_APP_URL of main.bicep: pages have links to it. Empty for pages without links.')
param appUrl string = ''

@description('The secrets of the vault that sign these links, as in main.bicep.')
param linkKeys string[] = []

@description('The minimum of replicas. Never 0: nothing would wake the worker.')
@minValue(1)
@maxValue(1000)
param minReplicas int = 1

@description('The maximum of replicas, which scale by CPU.')
@minValue(1)
@maxValue(1000)
param maxReplicas int = 5

@description('Seconds that running activities may take to finish after SIGTERM.')
@minValue(10)
@maxValue(540)
param drainSeconds int = 120

@description('Multiple keeps old revisions running beside new ones, for pinned workflow versions.')
@allowed(['Single', 'Multiple'])
param revisionsMode string = 'Single'

module worker 'modules/worker.bicep' = {
  params: {
    name: 'incident-worker'
    entryPoint: 'workers.incident.run_worker'
    location: location
    tags: {
      'azd-env-name': environmentName
      application: 'tidegate'
    }
    names: namesOf(subscription().id, resourceGroup().id, environmentName)
    image: image
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    vaultVariables: vaultVariables
    appUrl: appUrl
    linkKeys: linkKeys
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    drainSeconds: drainSeconds
    revisionsMode: revisionsMode
  }
}
