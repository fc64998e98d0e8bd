// Who may do what, each on the smallest scope that Azure supports. docs/deploy-azure.md has the table
// and the reasons; tests/unit/infra/test_azure_roles.py compares the two.

import { containers, entities, Names } from 'names.bicep'
import { roles } from 'roles.bicep'

param names Names

@description('Let the function app scale by the length of its queues.')
param scaleByQueueLength bool

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.functionsIdentity
}
resource incidentWorker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.incidentWorkerIdentity
}

resource documentsStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: names.documents

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource documents 'containers' existing = { name: containers.documents }
    resource reports 'containers' existing = { name: containers.reports }
    resource quarantine 'containers' existing = { name: containers.quarantine }
  }
}

resource hostStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = { name: names.host }

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: names.bus

  resource blobEvents 'queues' existing = { name: entities.blobEventsQueue }
  resource messages 'queues' existing = { name: entities.messagesQueue }
  resource topic 'topics' existing = {
    name: entities.messagesTopic

    resource subscription 'subscriptions' existing = { name: entities.messagesSubscription }
  }
}

resource secrets 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: names.vault }
resource images 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = { name: names.registry }
resource telemetry 'Microsoft.Insights/components@2020-02-02' existing = { name: names.applicationInsights }

// ---- all three -----------------------------------------------------------------------------------

var processes = [names.functionsIdentity, names.rootWorkerIdentity, names.incidentWorkerIdentity]
var workers = [names.rootWorkerIdentity, names.incidentWorkerIdentity]

// A grant is named by the identity's ID, which is known before the identity is made, and not by its
// principal, which is not.
resource process 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for name in processes: { name: name }
]

resource worker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for name in workers: { name: name }
]

resource quarantines 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in processes: {
    scope: documentsStore::blobs::quarantine
    name: guid(documentsStore::blobs::quarantine.id, process[i].id, roles.storageBlobDataContributor)
    properties: {
      principalId: process[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageBlobDataContributor
      )
    }
  }
]

resource readsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in processes: {
    scope: secrets
    name: guid(secrets.id, process[i].id, roles.keyVaultSecretsUser)
    properties: {
      principalId: process[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    }
  }
]

// ---- the workers ---------------------------------------------------------------------------------

resource pullsImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in workers: {
    scope: images
    name: guid(images.id, worker[i].id, roles.acrPull)
    properties: {
      principalId: worker[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
    }
  }
]

resource readsDocuments 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: documentsStore::blobs::documents
  name: guid(documentsStore::blobs::documents.id, incidentWorker.id, roles.storageBlobDataReader)
  properties: {
    principalId: incidentWorker.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
  }
}

resource writesReports 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: documentsStore::blobs::reports
  name: guid(documentsStore::blobs::reports.id, incidentWorker.id, roles.storageBlobDataContributor)
  properties: {
    principalId: incidentWorker.properties.principalId
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
  name: guid(hostStore.id, functions.id, roles.storageBlobDataOwner)
  properties: {
    principalId: functions.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// The host's diagnostic events.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStore
  name: guid(hostStore.id, functions.id, roles.storageTableDataContributor)
  properties: {
    principalId: functions.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageTableDataContributor
    )
  }
}

resource sendsTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: telemetry
  name: guid(telemetry.id, functions.id, roles.monitoringMetricsPublisher)
  properties: {
    principalId: functions.properties.principalId
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
  name: guid(namespace::blobEvents.id, functions.id, listens)
  properties: {
    principalId: functions.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', listens)
  }
}

resource takesMessages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace::messages
  name: guid(namespace::messages.id, functions.id, listens)
  properties: {
    principalId: functions.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', listens)
  }
}

resource takesTopic 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace::topic::subscription
  name: guid(namespace::topic::subscription.id, functions.id, listens)
  properties: {
    principalId: functions.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', listens)
  }
}
