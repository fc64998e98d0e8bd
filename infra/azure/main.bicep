// Everything Tidegate needs on Azure, in a resource group of its own. If you may not create resource
// groups, deploy platform.bicep into an existing one. The workers are deployed after their image is
// pushed: root-worker.bicep and incident-worker.bicep.

targetScope = 'subscription'

@description('The environment, part of names and tags: dev, test, prod.')
@minLength(2)
@maxLength(16)
param environmentName string

@description('The Azure region.')
param location string

@description('The resource group to create.')
param resourceGroupName string = 'rg-tidegate-${environmentName}'

@description('Address of Temporal\'s frontend, host:port.')
param temporalAddress string

@description('The Temporal namespace.')
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

@description('Addresses that receive Tidegate\'s own alerts.')
param alertEmails string[] = []

@description('Virtual network and private endpoints; only the function app is public.')
param privateNetworking bool = false

@description('Addresses and ranges that may still reach storage, vault, bus and registry with private networking.')
param allowedIpRanges string[] = []

@description('Use all zones where possible. Container Apps needs private networking for it.')
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

@description('Always-ready instances of the function app for webhooks.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Most instances of the function app.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Types of Tidegate\'s own that CloudEvents in queues and topics may have, e.g. tidegate.alert.')
param trustedTypes string[] = []

@description('The scope that queues and topics share, also with webhooks that name it; empty for one each.')
param queueScope string = ''

@description('Formats of the messages of queues and subscriptions, e.g. messages=azure_monitor or events/tidegate=alertmanager. Their senders may open and resolve incidents. Empty for CloudEvents or any JSON.')
param queueFormats string[] = []

@description('Path of the webhooks file in the function app\'s package; empty for no webhooks.')
param webhooksFile string = ''

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: {
    'azd-env-name': environmentName
    application: 'tidegate'
  }
}

module platform 'platform.bicep' = {
  scope: group
  params: {
    environmentName: environmentName
    location: location
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    temporalApiKey: temporalApiKey
    temporalClientCertificate: temporalClientCertificate
    temporalClientKey: temporalClientKey
    alertEmails: alertEmails
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    zoneRedundant: zoneRedundant
    serviceBusSku: serviceBusSku
    scaleByQueueLength: scaleByQueueLength
    logRetentionDays: logRetentionDays
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
    trustedTypes: trustedTypes
    queueScope: queueScope
    queueFormats: queueFormats
    webhooksFile: webhooksFile
  }
}

// azd keeps the outputs in its environment, where the workers' parameter files read them.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = platform.outputs.registryEndpoint
output PLATFORM_FUNCTION_APP string = platform.outputs.functionAppName
output PLATFORM_TOKEN string = platform.outputs.token
output PLATFORM_DOCUMENTS string = platform.outputs.documents
output PLATFORM_VAULT string = platform.outputs.vaultName
