// The platform in one resource group: the names of its parts and how they are connected.

@description('The environment, part of names and tags.')
@minLength(2)
@maxLength(16)
param environmentName string

@description('The Azure region.')
param location string = resourceGroup().location

@description('Address of Temporal\'s frontend, host:port.')
param temporalAddress string

@description('The Temporal namespace.')
param temporalNamespace string

@description('How to authenticate to Temporal.')
@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string = 'apiKey'

@description('Stored in Key Vault when set.')
@secure()
param temporalApiKey string = ''

@description('PEM of the client certificate, stored in Key Vault when set.')
@secure()
param temporalClientCertificate string = ''

@description('PEM of the client certificate\'s key, stored in Key Vault when set.')
@secure()
param temporalClientKey string = ''

@description('Addresses that receive Tidegate\'s own alerts.')
param alertEmails string[] = []

@description('Virtual network and private endpoints.')
param privateNetworking bool = false

@description('Addresses and ranges that may still reach storage, vault, bus and registry with private networking.')
param allowedIpRanges string[] = []

@description('Use all zones where possible.')
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

// Makes names globally unique. All names have it, because the workers' templates find resources by it.
var token = toLower(uniqueString(subscription().id, resourceGroup().id, environmentName))
var tags = {
  'azd-env-name': environmentName
  application: 'tidegate'
}

module identities 'modules/identities.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
  }
}

module observability 'modules/observability.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    retentionDays: logRetentionDays
    emails: alertEmails
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  params: {
    location: location
    tags: tags
    token: token
  }
}

module documents 'modules/storage.bicep' = {
  params: {
    location: location
    tags: tags
    name: take('stdocs${token}', 24)
    containers: ['documents', 'reports', 'quarantine', 'undelivered']
    sku: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    versioned: true
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    workspaceId: observability.outputs.workspaceId
  }
}

// The Functions host's own account, for its leases and packages.
module hostStorage 'modules/storage.bicep' = {
  params: {
    location: location
    tags: tags
    name: take('sthost${token}', 24)
    containers: ['packages']
    sku: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    versioned: false
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    workspaceId: observability.outputs.workspaceId
  }
}

module bus 'modules/service-bus.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    sku: serviceBusSku
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    workspaceId: observability.outputs.workspaceId
  }
}

module vault 'modules/key-vault.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    workspaceId: observability.outputs.workspaceId
    temporalApiKey: temporalApiKey
    temporalClientCertificate: temporalClientCertificate
    temporalClientKey: temporalClientKey
  }
}

module registry 'modules/registry.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    privateNetworking: privateNetworking
    allowedIpRanges: allowedIpRanges
    zoneRedundant: zoneRedundant
    workspaceId: observability.outputs.workspaceId
  }
}

module access 'modules/access.bicep' = {
  params: {
    functions: identities.outputs.functionsPrincipalId
    rootWorker: identities.outputs.rootWorkerPrincipalId
    incidentWorker: identities.outputs.incidentWorkerPrincipalId
    documentsAccount: documents.outputs.name
    hostAccount: hostStorage.outputs.name
    bus: bus.outputs.name
    blobEventsQueue: bus.outputs.blobEventsQueue
    messagesQueue: bus.outputs.messagesQueue
    messagesTopic: bus.outputs.messagesTopic
    messagesSubscription: bus.outputs.messagesSubscription
    vault: vault.outputs.name
    registry: registry.outputs.name
    applicationInsights: observability.outputs.applicationInsightsName
    scaleByQueueLength: scaleByQueueLength
  }
}

module uploads 'modules/event-grid.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    account: documents.outputs.name
    container: 'documents'
    undeliveredContainer: 'undelivered'
    bus: bus.outputs.name
    queue: bus.outputs.blobEventsQueue
    workspaceId: observability.outputs.workspaceId
  }
}

module functions 'modules/functions.bicep' = {
  params: {
    location: location
    tags: union(tags, { 'azd-service-name': 'listeners' })
    token: token
    identityId: identities.outputs.functionsId
    identityClientId: identities.outputs.functionsClientId
    hostAccount: hostStorage.outputs.name
    packagesContainer: 'packages'
    documentsAccount: documents.outputs.name
    busHost: bus.outputs.host
    blobEventsQueue: bus.outputs.blobEventsQueue
    messagesQueue: bus.outputs.messagesQueue
    messagesTopic: bus.outputs.messagesTopic
    messagesSubscription: bus.outputs.messagesSubscription
    vaultUri: vault.outputs.uri
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    trustedTypes: trustedTypes
    queueScope: queueScope
    queueFormats: queueFormats
    webhooksFile: webhooksFile
    applicationInsightsConnection: observability.outputs.applicationInsightsConnection
    subnetId: privateNetworking ? network!.outputs.functionsSubnetId : ''
    zoneRedundant: zoneRedundant
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
    workspaceId: observability.outputs.workspaceId
  }
  dependsOn: [access, endpoints]
}

module environment 'modules/environment.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    subnetId: privateNetworking ? network!.outputs.workersSubnetId : ''
    zoneRedundant: zoneRedundant && privateNetworking
    workspaceId: observability.outputs.workspaceId
  }
}

module endpoints 'modules/private-endpoints.bicep' = if (privateNetworking) {
  params: {
    location: location
    tags: tags
    token: token
    networkId: network!.outputs.networkId
    subnetId: network!.outputs.endpointsSubnetId
    documentsAccountId: documents.outputs.id
    hostAccountId: hostStorage.outputs.id
    busId: bus.outputs.id
    vaultId: vault.outputs.id
    registryId: registry.outputs.id
  }
}

module alerts 'modules/alerts.bicep' = {
  params: {
    location: location
    tags: tags
    token: token
    actionGroupId: observability.outputs.actionGroupId
    workspaceId: observability.outputs.workspaceId
    busId: bus.outputs.id
    systemTopicId: uploads.outputs.systemTopicId
  }
}

output token string = token
output registryEndpoint string = registry.outputs.endpoint
output functionAppName string = functions.outputs.name
output documents string = documents.outputs.name
output vaultName string = vault.outputs.name
