// The incident worker: long-lived incidents, their pages and their reports. Deployed once its image is in the
// registry: by azd after the push, or by hand with the outputs of main.bicep.

@description('As in main.bicep.')
param environmentName string
param location string = resourceGroup().location
param temporalAddress string
param temporalNamespace string

@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string = 'apiKey'

@description('Outputs of main.bicep: PLATFORM_TOKEN, PLATFORM_DOCUMENTS, PLATFORM_VAULT, AZURE_CONTAINER_REGISTRY_ENDPOINT.')
param token string
param documentsAccount string
param vaultName string
param registryEndpoint string

@description('The image, with its tag or digest.')
param image string

@description('Variables that the policies\' targets name, from Key Vault: PAGER_KEY=pager-key,CHAT_URL=chat-url.')
param vaultVariables string = ''

@minValue(1)
param minReplicas int = 1

@minValue(1)
param maxReplicas int = 5

@description('Seconds that running activities may take to finish after SIGTERM.')
@minValue(10)
@maxValue(540)
param drainSeconds int = 120

@allowed(['Single', 'Multiple'])
param revisionsMode string = 'Single'

module worker 'modules/worker.bicep' = {
  params: {
    name: 'incident-worker'
    entryPoint: 'workers.incident.run_worker'
    environmentName: environmentName
    location: location
    token: token
    image: image
    registryEndpoint: registryEndpoint
    documentsAccount: documentsAccount
    vaultName: vaultName
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    vaultVariables: vaultVariables
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    drainSeconds: drainSeconds
    revisionsMode: revisionsMode
  }
}
