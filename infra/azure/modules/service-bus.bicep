// The queues between event sources and listeners. Dead letters stay in their queue and raise an alert
// (alerts.bicep).

import { entities, Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names

@allowed(['Standard', 'Premium'])
param sku string

@description('Keep each session\'s messages in order, in the queue and in the subscription.')
param orderedMessages bool

param privateNetworking bool
param allowedIpRanges string[]

// A listener quarantines and completes poison messages, so a message is redelivered only while Temporal
// or a store is unavailable: a high count bridges a long outage and costs nothing else.
var maxDeliveryCount = 1000

// Without an address or a subnet in its rules a namespace is open to the internet, whatever the default
// action says ("Allow access to Azure Service Bus namespaces via private endpoints").
var publicNetworkAccess = privateNetworking && empty(allowedIpRanges) ? 'Disabled' : 'Enabled'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: names.bus
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
    publicNetworkAccess: publicNetworkAccess
  }
}

resource firewall 'Microsoft.ServiceBus/namespaces/networkRuleSets@2024-01-01' = if (privateNetworking) {
  parent: bus
  name: 'default'
  properties: {
    defaultAction: 'Deny'
    publicNetworkAccess: publicNetworkAccess
    // Event Grid delivers as a trusted service, also where public access is disabled.
    trustedServiceAccessEnabled: true
    ipRules: [for range in allowedIpRanges: { ipMask: range, action: 'Allow' }]
  }
}

resource blobEvents 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: bus
  name: entities.blobEventsQueue
  properties: {
    lockDuration: 'PT5M'
    maxDeliveryCount: maxDeliveryCount
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
  }
}

resource messages 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: bus
  name: entities.messagesQueue
  properties: {
    lockDuration: 'PT5M'
    requiresSession: orderedMessages
    maxDeliveryCount: maxDeliveryCount
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
  }
}

resource topic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  parent: bus
  name: entities.messagesTopic
  properties: { defaultMessageTimeToLive: 'P14D' }
}

resource subscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = {
  parent: topic
  name: entities.messagesSubscription
  properties: {
    lockDuration: 'PT5M'
    requiresSession: orderedMessages
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
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
