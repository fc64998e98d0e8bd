// Everything Tidegate needs on Azure, in a resource group of its own. If you may not create resource
// groups, deploy platform.bicep into an existing one. The workers are deployed after their image is
// pushed: root-worker.bicep and incident-worker.bicep.

targetScope = 'subscription'

import { ownTypes, problemsOf, queueFormatNames } from 'modules/checks.bicep'
import { functionNames } from 'modules/functions.bicep'

@description('The environment, part of names and tags: dev, test, prod.')
@minLength(2)
@maxLength(16)
param environmentName string

@description('The Azure region.')
param location string

@description('The resource group to create.')
@minLength(1)
@maxLength(90)
param resourceGroupName string = 'rg-tidegate-${environmentName}'

@description('Address of Temporal\'s frontend, host:port.')
@minLength(3)
param temporalAddress string

@description('The Temporal namespace.')
@minLength(1)
param temporalNamespace string

@description('How to authenticate to Temporal: by an API key, a client certificate, or (inside one network) not at all.')
@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string = 'apiKey'

@description('Stored in Key Vault when set. Leave it empty afterwards: later deployments keep the stored one.')
@secure()
param temporalApiKey string = ''

@description('PEM of the client certificate for mtls, stored like temporalApiKey.')
@secure()
param temporalClientCertificate string = ''

@description('PEM of the client certificate\'s key for mtls, stored like temporalApiKey.')
@secure()
param temporalClientKey string = ''

@description('When the credentials of this deployment expire, as 2027-06-30T00:00:00Z; empty for never. An alert comes 30 days before.')
param credentialsExpire string = ''

@description('Addresses that receive Tidegate\'s own alerts.')
param alertEmails string[] = []

@description('Virtual network and private endpoints; only the function app is public.')
param privateNetworking bool = false

@description('IPv4 addresses and ranges that may still reach storage, vault, bus and registry with private networking.')
param allowedIpRanges string[] = []

@description('Use all zones where possible. Container Apps needs private networking for it. Each scaled function then keeps two instances ready, and they are billed.')
param zoneRedundant bool = false

@description('Premium is needed for private networking and messages above 256 KB.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = privateNetworking ? 'Premium' : 'Standard'

@description('Let the function app scale by the length of its queues: it may then also send to and change them.')
param scaleByQueueLength bool = false

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Percentage of the function app\'s traces that are kept; below 100 the alert function-failures sees only that part.')
@minValue(1)
@maxValue(100)
param tracesPercent int = 100

@description('Days after which documents are deleted; 0 to keep them.')
@minValue(0)
@maxValue(36500)
param documentRetentionDays int = 0

@description('Days after which quarantined originals are deleted, looked at or not; 0 to keep them.')
@minValue(0)
@maxValue(36500)
param quarantineRetentionDays int = 0

@description('Days after which post-incident reports are deleted; 0 to keep them.')
@minValue(0)
@maxValue(36500)
param reportRetentionDays int = 0

@description('Days after which events of uploads that Event Grid could not deliver are deleted; 0 to keep them.')
@minValue(0)
@maxValue(36500)
param undeliveredRetentionDays int = 0

@description('Days after which versions that were replaced or deleted are deleted; 0 to keep them.')
@minValue(0)
@maxValue(36500)
param oldVersionRetentionDays int = 90

@description('Always-ready instances of the function app for webhooks.')
@minValue(0)
@maxValue(100)
param alwaysReadyInstances int = 0

@description('The maximum of instances of each scaled function: of the webhooks together, of each queue, of the subscription.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Webhook requests that an instance handles concurrently, before another one is started. The host takes no more than 100.')
@minValue(1)
@maxValue(100)
param webhookConcurrency int = 32

@description('Functions that are switched off. blob_events_grid is the native Event Grid trigger, which nothing calls until you subscribe it.')
param disabledFunctions string[] = ['blob_events_grid']

@description('Keep the messages of each session in order, in the queue and in the subscription: every message then needs a session ID. It cannot be changed later.')
param orderedMessages bool = false

@description('Types of Tidegate\'s own that CloudEvents in queues and topics may have, e.g. tidegate.alert.')
param trustedTypes string[] = []

@description('The scope that queues and topics share, also with webhooks that name it; empty for one each.')
param queueScope string = ''

@description('Formats of the messages of queues and subscriptions, e.g. messages=azure_monitor or events/tidegate=alertmanager. Their senders may open and resolve incidents. Empty for CloudEvents or any JSON.')
param queueFormats string[] = []

@description('The name of the webhooks file, which lies beside host.json and is published with it: webhooks.yaml; empty for no webhooks.')
param webhooksFile string = ''

@description('One or two secrets of the vault that sign the links in pages, the first of them new links: links-first. They have to be there, and bring the HTTP application, which answers the links. Empty for none.')
param linkKeys string[] = []

@description('The address under which people reach the HTTP application, as https://tidegate.example; empty for the one that Azure gives it.')
param appUrl string = ''

@description('The secret of the vault with the service tokens of the HTTP API, which has to be there; empty for none.')
param apiTokens string = ''

@description('The OpenID Connect issuer whose tokens the HTTP API takes; empty for none.')
param oidcIssuer string = ''

@description('The audience that those tokens must be for.')
param oidcAudience string = ''

@description('Where their claims have the role; empty for roles.')
param oidcRole string = ''

@description('Where their claims have the name; empty for a verified email address.')
param oidcName string = ''

@description('The client of oidcIssuer by which people sign in to the console; empty for no console.')
param consoleClientId string = ''

@description('The secret of the vault with that client\'s secret; empty for a public client.')
param consoleCredential string = ''

@description('The secret of the vault with the signing secret of the Slack app whose buttons the HTTP application answers; empty for none.')
param slackSigning string = ''

@description('The workspace that those requests must come from, as T0123456789; empty for any that has the app.')
param slackTeam string = ''

@description('Always-ready instances of the HTTP application.')
@minValue(0)
@maxValue(40)
param appReadyInstances int = 0

@description('Protect the vault and its secrets from being purged. Once on, it stays on, and a deleted vault keeps its name until its retention ends.')
param vaultPurgeProtection bool = true

@description('Days that a deleted vault or secret can be recovered. It cannot be changed later.')
@minValue(7)
@maxValue(90)
param vaultRetentionDays int = 90

@description('Recover the deleted vault of this environment, with its secrets. Set it for one deployment only.')
param recoverVault bool = false

var problems = problemsOf({
  environmentName: environmentName
  temporalAddress: temporalAddress
  credentialsExpire: credentialsExpire
  alertEmails: alertEmails
  privateNetworking: privateNetworking
  allowedIpRanges: allowedIpRanges
  serviceBusSku: serviceBusSku
  alwaysReadyInstances: alwaysReadyInstances
  maximumInstances: maximumInstances
  disabledFunctions: disabledFunctions
  functionNames: functionNames
  orderedMessages: orderedMessages
  trustedTypes: trustedTypes
  ownTypes: ownTypes
  queueFormats: queueFormats
  queueFormatNames: queueFormatNames
  webhooksFile: webhooksFile
  linkKeys: linkKeys
  appUrl: appUrl
  apiTokens: apiTokens
  oidcIssuer: oidcIssuer
  oidcAudience: oidcAudience
  oidcRole: oidcRole
  oidcName: oidcName
  consoleClientId: consoleClientId
  consoleCredential: consoleCredential
  slackSigning: slackSigning
  slackTeam: slackTeam
  appReadyInstances: appReadyInstances
})

// Not even the group is made of parameters that exclude each other.
var region = empty(problems) ? location : fail(join(problems, ' '))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: region
  tags: {
    'azd-env-name': environmentName
    application: 'tidegate'
  }
}

module platform 'platform.bicep' = {
  scope: group
  params: {
    environmentName: environmentName
    location: region
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    temporalApiKey: temporalApiKey
    temporalClientCertificate: temporalClientCertificate
    temporalClientKey: temporalClientKey
    credentialsExpire: credentialsExpire
    alertEmails: alertEmails
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    zoneRedundant: zoneRedundant
    serviceBusSku: serviceBusSku
    scaleByQueueLength: scaleByQueueLength
    logRetentionDays: logRetentionDays
    tracesPercent: tracesPercent
    documentRetentionDays: documentRetentionDays
    reportRetentionDays: reportRetentionDays
    quarantineRetentionDays: quarantineRetentionDays
    undeliveredRetentionDays: undeliveredRetentionDays
    oldVersionRetentionDays: oldVersionRetentionDays
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
    webhookConcurrency: webhookConcurrency
    disabledFunctions: disabledFunctions
    orderedMessages: orderedMessages
    trustedTypes: trustedTypes
    queueScope: queueScope
    queueFormats: queueFormats
    webhooksFile: webhooksFile
    linkKeys: linkKeys
    appUrl: appUrl
    apiTokens: apiTokens
    oidcIssuer: oidcIssuer
    oidcAudience: oidcAudience
    oidcRole: oidcRole
    oidcName: oidcName
    consoleClientId: consoleClientId
    consoleCredential: consoleCredential
    slackSigning: slackSigning
    slackTeam: slackTeam
    appReadyInstances: appReadyInstances
    vaultPurgeProtection: vaultPurgeProtection
    vaultRetentionDays: vaultRetentionDays
    recoverVault: recoverVault
  }
}

// azd keeps the outputs in its environment; docs/deploy-azure.md uses the same names.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = platform.outputs.registryEndpoint
output PLATFORM_FUNCTION_APP string = platform.outputs.functionAppName
output PLATFORM_APPLICATION string = platform.outputs.applicationName
output PLATFORM_APP_URL string = platform.outputs.appUrl
output PLATFORM_TOKEN string = platform.outputs.token
output PLATFORM_DOCUMENTS string = platform.outputs.documents
output PLATFORM_VAULT string = platform.outputs.vaultName
