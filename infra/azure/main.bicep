// Everything Tidegate needs on Azure, in a resource group of its own. Where the group is somebody
// else's to make, deploy house.bicep into it instead. The workers come after their image is there:
// root-worker.bicep and incident-worker.bicep.

targetScope = 'subscription'

@description('Names the environment; part of every name and tag. Short: dev, test, prod.')
@minLength(2)
@maxLength(16)
param environmentName string

@description('Azure region of everything.')
param location string

@description('The resource group to make.')
param resourceGroupName string = 'rg-tidegate-${environmentName}'

@description('Address of Temporal\'s frontend, host:port.')
param temporalAddress string

@description('The Temporal namespace.')
param temporalNamespace string

@description('How Temporal knows us: by an API key, by a client certificate, or (inside one network) not at all.')
@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string = 'apiKey'

@description('Put into Key Vault when given. Leave it out once it is there: a later deployment keeps it.')
@secure()
param temporalApiKey string = ''

@description('PEM of the client certificate, for mtls; as temporalApiKey.')
@secure()
param temporalClientCertificate string = ''

@description('PEM of the client certificate\'s key, for mtls; as temporalApiKey.')
@secure()
param temporalClientKey string = ''

@description('Who is mailed when something is wrong with Tidegate itself.')
param alertEmails string[] = []

@description('Virtual network, private endpoints, and no door for strangers but the function app\'s.')
param privateNetworking bool = false

@description('Addresses and ranges that may still reach storage, vault, bus and registry when networking is private.')
param allowedIpRanges string[] = []

@description('Spread over the region\'s zones what can be. Container Apps needs private networking for it.')
param zoneRedundant bool = false

@description('Premium is needed for private networking and messages above 256 KB.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = privateNetworking ? 'Premium' : 'Standard'

@description('Let the function app scale by the length of its queues: it then may also send to and change them.')
param scaleByQueueLength bool = false

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Instances of the function app that stay warm for webhooks.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Instances that the function app may grow to.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Path of the file with the webhooks\' endpoints in the function app\'s package; empty: no webhooks.')
param webhooksFile string = ''

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: {
    'azd-env-name': environmentName
    application: 'tidegate'
  }
}

module house 'house.bicep' = {
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
    webhooksFile: webhooksFile
  }
}

// azd keeps the outputs in its environment; the workers' parameter files read them from there.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = house.outputs.registryEndpoint
output HOUSE_FUNCTION_APP string = house.outputs.functionAppName
output HOUSE_TOKEN string = house.outputs.token
output HOUSE_DOCUMENTS string = house.outputs.documents
output HOUSE_VAULT string = house.outputs.vaultName
