// The listeners: a function app on Flex Consumption. Every connection uses the app's identity; secrets
// are references into Key Vault.

param location string
param tags object
param token string
param identityId string
param identityClientId string
param hostAccount string
param packagesContainer string
param documentsAccount string
param busHost string
param blobEventsQueue string
param messagesQueue string
param messagesTopic string
param messagesSubscription string
param vaultUri string
param temporalAddress string
param temporalNamespace string
param temporalAuth string
param trustedTypes string[]
param queueScope string
param queueFormats string[]
param webhooksFile string
param applicationInsightsConnection string

@description('Subnet for the app\'s outbound traffic; empty for the internet.')
param subnetId string

param zoneRedundant bool
param alwaysReadyInstances int
param maximumInstances int
param workspaceId string

resource hostStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = { name: hostAccount }

var documents = 'azure://${documentsAccount}/documents'
var quarantine = 'azure://${documentsAccount}/quarantine'

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

var webhooks = empty(webhooksFile) ? [] : [{ name: 'TIDEGATE_WEBHOOKS', value: webhooksFile }]

var trust = empty(trustedTypes) ? [] : [{ name: 'TIDEGATE_TRUSTED_TYPES', value: join(trustedTypes, ',') }]
var scope = empty(queueScope) ? [] : [{ name: 'TIDEGATE_QUEUE_SCOPE', value: queueScope }]
var formats = empty(queueFormats) ? [] : [{ name: 'TIDEGATE_QUEUE_FORMATS', value: join(queueFormats, ',') }]

var settings = [
  { name: 'AzureWebJobsStorage__accountName', value: hostStore.name }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'ServiceBusConnection__fullyQualifiedNamespace', value: busHost }
  { name: 'ServiceBusConnection__credential', value: 'managedidentity' }
  { name: 'ServiceBusConnection__clientId', value: identityClientId }
  { name: 'BLOB_EVENTS_QUEUE', value: blobEventsQueue }
  { name: 'MESSAGES_QUEUE', value: messagesQueue }
  { name: 'MESSAGES_TOPIC', value: messagesTopic }
  { name: 'MESSAGES_SUBSCRIPTION', value: messagesSubscription }
  // Contains no credential: the component accepts telemetry from identities only.
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: applicationInsightsConnection }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
  // The identity that our own clients use.
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
  // Larger bodies are refused by the host, before they take the worker's memory.
  { name: 'FUNCTIONS_REQUEST_BODY_SIZE_LIMIT', value: '6000000' }
  { name: 'TEMPORAL_ADDRESS', value: temporalAddress }
  { name: 'TEMPORAL_NAMESPACE', value: temporalNamespace }
  { name: 'TIDEGATE_DOCUMENTS', value: documents }
  { name: 'TIDEGATE_QUARANTINE', value: quarantine }
]

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${token}'
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
  name: 'func-${token}'
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStore.properties.primaryEndpoints.blob}${packagesContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      appSettings: concat(settings, credentials, webhooks, trust, scope, formats)
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
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output name string = app.name
