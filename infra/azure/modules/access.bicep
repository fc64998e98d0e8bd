// Who may do what, each on the smallest scope that Azure supports. docs/deploy-azure.md has the table
// and the reasons; tests/unit/infra/test_azure_roles.py compares the two.

import { roles } from 'roles.bicep'

@description('The principals of the three processes.')
param functions string
param rootWorker string
param incidentWorker string

@description('The names of what they use.')
param documentsAccount string
param hostAccount string
param bus string
param blobEventsQueue string
param messagesQueue string
param messagesTopic string
param messagesSubscription string
param vault string
param registry string
param applicationInsights string
param scaleByQueueLength bool

resource documentsStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: documentsAccount

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource documents 'containers' existing = { name: 'documents' }
    resource reports 'containers' existing = { name: 'reports' }
    resource quarantine 'containers' existing = { name: 'quarantine' }
  }
}

resource hostStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = { name: hostAccount }

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: bus

  resource blobEvents 'queues' existing = { name: blobEventsQueue }
  resource messages 'queues' existing = { name: messagesQueue }
  resource topic 'topics' existing = {
    name: messagesTopic

    resource subscription 'subscriptions' existing = { name: messagesSubscription }
  }
}

resource secrets 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: vault }
resource images 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = { name: registry }
resource telemetry 'Microsoft.Insights/components@2020-02-02' existing = { name: applicationInsights }

// ---- all three -----------------------------------------------------------------------------------

var processes = [functions, rootWorker, incidentWorker]

resource quarantines 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principal in processes: {
    scope: documentsStore::blobs::quarantine
    name: guid(documentsStore::blobs::quarantine.id, principal, roles.storageBlobDataContributor)
    properties: {
      principalId: principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageBlobDataContributor
      )
    }
  }
]

resource readsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principal in processes: {
    scope: secrets
    name: guid(secrets.id, principal, roles.keyVaultSecretsUser)
    properties: {
      principalId: principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    }
  }
]

// ---- the workers ---------------------------------------------------------------------------------

resource pullsImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principal in [rootWorker, incidentWorker]: {
    scope: images
    name: guid(images.id, principal, roles.acrPull)
    properties: {
      principalId: principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
    }
  }
]

resource readsDocuments 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: documentsStore::blobs::documents
  name: guid(documentsStore::blobs::documents.id, incidentWorker, roles.storageBlobDataReader)
  properties: {
    principalId: incidentWorker
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
  }
}

resource writesReports 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: documentsStore::blobs::reports
  name: guid(documentsStore::blobs::reports.id, incidentWorker, roles.storageBlobDataContributor)
  properties: {
    principalId: incidentWorker
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor
    )
  }
}

// ---- the function app ----------------------------------------------------------------------------

// The Functions host keeps leases, keys and packages there; its documentation asks for Owner.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStore
  name: guid(hostStore.id, functions, roles.storageBlobDataOwner)
  properties: {
    principalId: functions
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// The host's diagnostic events.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStore
  name: guid(hostStore.id, functions, roles.storageTableDataContributor)
  properties: {
    principalId: functions
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageTableDataContributor
    )
  }
}

resource sendsTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: telemetry
  name: guid(telemetry.id, functions, roles.monitoringMetricsPublisher)
  properties: {
    principalId: functions
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.monitoringMetricsPublisher
    )
  }
}

// Reading the length of a queue takes the right to manage it, which only Owner has.
var listens = scaleByQueueLength ? roles.serviceBusDataOwner : roles.serviceBusDataReceiver

resource takesBlobEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace::blobEvents
  name: guid(namespace::blobEvents.id, functions, listens)
  properties: {
    principalId: functions
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', listens)
  }
}

resource takesMessages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace::messages
  name: guid(namespace::messages.id, functions, listens)
  properties: {
    principalId: functions
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', listens)
  }
}

resource takesTopic 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace::topic::subscription
  name: guid(namespace::topic::subscription.id, functions, listens)
  properties: {
    principalId: functions
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', listens)
  }
}
