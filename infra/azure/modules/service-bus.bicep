// The queues between event sources and listeners. Dead letters stay in their queue and raise an alert
// (alerts.bicep).

param location string
param tags object
param token string

@allowed(['Standard', 'Premium'])
param sku string

param privateNetworking bool
param allowedIpRanges string[]
param workspaceId string

// A listener quarantines and completes poison messages, so a message is redelivered only while Temporal
// or a store is unavailable: a high count bridges a long outage and costs nothing else.
var maxDeliveryCount = 1000

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: 'sb-${token}'
  location: location
  tags: tags
  sku: {
    name: sku
    tier: sku
    capacity: sku == 'Premium' ? 1 : null
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource firewall 'Microsoft.ServiceBus/namespaces/networkRuleSets@2024-01-01' = if (privateNetworking) {
  parent: bus
  name: 'default'
  properties: {
    defaultAction: 'Deny'
    publicNetworkAccess: 'Enabled'
    // Event Grid delivers as a trusted service.
    trustedServiceAccessEnabled: true
    ipRules: [for range in allowedIpRanges: { ipMask: range, action: 'Allow' }]
  }
}

resource blobEvents 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: bus
  name: 'blob-events'
  properties: {
    lockDuration: 'PT5M'
    maxDeliveryCount: maxDeliveryCount
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
  }
}

resource messages 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: bus
  name: 'messages'
  properties: {
    lockDuration: 'PT5M'
    maxDeliveryCount: maxDeliveryCount
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
  }
}

resource topic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  parent: bus
  name: 'events'
  properties: { defaultMessageTimeToLive: 'P14D' }
}

resource subscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = {
  parent: topic
  name: 'tidegate'
  properties: {
    lockDuration: 'PT5M'
    maxDeliveryCount: maxDeliveryCount
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
    deadLetteringOnFilterEvaluationExceptions: true
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: bus
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = bus.id
output name string = bus.name
output host string = replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '')
output blobEventsQueue string = blobEvents.name
output messagesQueue string = messages.name
output messagesTopic string = topic.name
output messagesSubscription string = subscription.name
