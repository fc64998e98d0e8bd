// Uploads: the documents account notifies Event Grid, which sends each event to a queue. What it cannot
// deliver for a day it leaves in a container, with an alert. Both use the topic's own identity.

import { containers, entities, Names, Tags } from 'names.bicep'
import { roles } from 'roles.bicep'

param location string
param tags Tags
param names Names

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }

resource store 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: names.documents

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource undelivered 'containers' existing = { name: containers.undelivered }
  }
}

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: names.bus

  resource events 'queues' existing = { name: entities.blobEventsQueue }
}

resource uploads 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: names.uploads
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: store.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace::events
  name: guid(namespace::events.id, uploads.id, roles.serviceBusDataSender)
  properties: {
    principalId: uploads.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataSender)
  }
}

resource leaves 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: store::blobs::undelivered
  name: guid(store::blobs::undelivered.id, uploads.id, roles.storageBlobDataContributor)
  properties: {
    principalId: uploads.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor
    )
  }
}

resource delivery 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: uploads
  name: 'to-queue'
  // Without these roles the first deliveries would be refused.
  dependsOn: [sends, leaves]
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${containers.documents}/'
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'ServiceBusQueue'
        properties: { resourceId: namespace::events.id }
      }
    }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: store.id
          blobContainerName: containers.undelivered
        }
      }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: uploads
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
