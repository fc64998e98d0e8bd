// The listeners: a function app on Flex Consumption. Every connection uses the app's identity; secrets
// are references into Key Vault.

import { containers, entities, Names, subnets, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names
param temporalAddress string
param temporalNamespace string
param temporalAuth string
param trustedTypes string[]
param queueScope string
param queueFormats string[]
param webhooksFile string
param orderedMessages bool
param disabledFunctions string[]

@description('Use the network\'s subnet for outbound traffic, not the internet.')
param privateNetworking bool

param zoneRedundant bool
param alwaysReadyInstances int
param maximumInstances int
param webhookConcurrency int

@description('Percentage of the host\'s traces that are kept.')
param tracesPercent int

@export()
@description('The functions of functions_azure that can be switched off.')
var functionNames = ['blob_events_queue', 'blob_events_grid', 'messages_queue', 'messages_topic', 'webhook']

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }
resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = { name: names.applicationInsights }
resource hostStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = { name: names.host }
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: names.vault }
resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = { name: names.bus }
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.functionsIdentity
}

var vaultUri = vault.properties.vaultUri
var busHost = replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '')

var credentials = temporalAuth == 'apiKey'
  ? [{ name: 'TEMPORAL_API_KEY', value: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/temporal-api-key)' }]
  : temporalAuth == 'mtls'
      ? [
          {
            name: 'TEMPORAL_TLS_CLIENT_CERT_DATA'
            value: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/temporal-client-certificate)'
          }
          {
            name: 'TEMPORAL_TLS_CLIENT_KEY_DATA'
            value: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/temporal-client-key)'
          }
        ]
      : []

var webhooks = empty(webhooksFile) ? [] : [{ name: 'TIDEGATE_WEBHOOKS', value: '/home/site/wwwroot/${webhooksFile}' }]

var trust = empty(trustedTypes) ? [] : [{ name: 'TIDEGATE_TRUSTED_TYPES', value: join(trustedTypes, ',') }]
var scope = empty(queueScope) ? [] : [{ name: 'TIDEGATE_QUEUE_SCOPE', value: queueScope }]
var formats = empty(queueFormats) ? [] : [{ name: 'TIDEGATE_QUEUE_FORMATS', value: join(queueFormats, ',') }]

var sessions = orderedMessages ? [{ name: 'MESSAGES_SESSIONS', value: 'true' }] : []
var disabled = map(disabledFunctions, name => { name: 'AzureWebJobs.${name}.Disabled', value: 'true' })

// The host reads them for its own traces since version 4.1048.100 (Azure/azure-functions-host#11496).
var sampling = tracesPercent == 100
  ? []
  : [
      { name: 'OTEL_TRACES_SAMPLER', value: 'microsoft.fixed_percentage' }
      { name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.${padLeft(tracesPercent, 2, '0')}' }
    ]

var settings = [
  { name: 'AzureWebJobsStorage__accountName', value: hostStore.name }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
  { name: 'ServiceBusConnection__fullyQualifiedNamespace', value: busHost }
  { name: 'ServiceBusConnection__credential', value: 'managedidentity' }
  { name: 'ServiceBusConnection__clientId', value: identity.properties.clientId }
  { name: 'BLOB_EVENTS_QUEUE', value: entities.blobEventsQueue }
  { name: 'MESSAGES_QUEUE', value: entities.messagesQueue }
  { name: 'MESSAGES_TOPIC', value: entities.messagesTopic }
  { name: 'MESSAGES_SUBSCRIPTION', value: entities.messagesSubscription }
  // Contains no credential: the component accepts telemetry from identities only.
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: applicationInsights.properties.ConnectionString }
  {
    name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
    value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  }
  // The identity that our own clients use.
  { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
  // Larger bodies are refused by the host, before they take the worker's memory.
  { name: 'FUNCTIONS_REQUEST_BODY_SIZE_LIMIT', value: '6000000' }
  { name: 'TEMPORAL_ADDRESS', value: temporalAddress }
  { name: 'TEMPORAL_NAMESPACE', value: temporalNamespace }
  { name: 'TIDEGATE_DOCUMENTS', value: 'azure://${names.documents}/${containers.documents}' }
  { name: 'TIDEGATE_QUARANTINE', value: 'azure://${names.documents}/${containers.quarantine}' }
]

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${names.token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: names.functions
  location: location
  tags: union(tags, { 'azd-service-name': 'listeners' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: privateNetworking
      ? resourceId('Microsoft.Network/virtualNetworks/subnets', names.network, subnets.functions)
      : null
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStore.properties.primaryEndpoints.blob}${containers.packages}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
        // Without it an instance of a Python app takes one request at a time.
        triggers: { http: { perInstanceConcurrency: webhookConcurrency } }
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      appSettings: concat(settings, credentials, webhooks, trust, scope, formats, sessions, disabled, sampling)
    }
  }
}

resource noPublishingPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: app
  properties: {
    workspaceId: workspace.id
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
