// The HTTP application: a function app of its own on Flex Consumption, with its alerts. It has an identity,
// a host account and a plan of its own, because a role belongs to an app, and Flex Consumption has one app
// in a plan.
//
// Paths hold the tokens of links, and whoever has one may act. So it has no Application Insights, whose
// requests have their addresses: what it logs goes to the workspace by the app's diagnostic setting, and
// infra/azure/app/host.json keeps paths out of that.

import { containers, Names, subnets, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names
param temporalAddress string
param temporalNamespace string
param temporalAuth string

@description('The secrets of the vault that sign links.')
param linkKeys string[]

@description('The address of the application as people reach it.')
param appUrl string

@description('The secret of the vault with the service tokens of the API; empty for none.')
param apiTokens string

param oidcIssuer string
param oidcAudience string
param oidcRole string
param oidcName string
param consoleClientId string
param consoleCredential string
param slackSigning string
param slackTeam string

@description('Use the network\'s subnet for outbound traffic, not the internet.')
param privateNetworking bool

param zoneRedundant bool
param alwaysReadyInstances int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }
resource operators 'Microsoft.Insights/actionGroups@2023-01-01' existing = { name: names.actionGroup }
resource hostStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = { name: names.applicationHost }
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: names.vault }
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.applicationIdentity
}

var vaultUri = vault.properties.vaultUri

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

// Read by the process itself, so that a new version of a secret needs no restart.
var references = map(linkKeys, secret => 'azure:${names.vault}/${secret}')

var callers = filter(
  [
    {
      name: 'TIDEGATE_API_TOKENS'
      value: empty(apiTokens) ? '' : 'azure:${names.vault}/${apiTokens}'
    }
    { name: 'TIDEGATE_OIDC_ISSUER', value: oidcIssuer }
    { name: 'TIDEGATE_OIDC_AUDIENCE', value: oidcAudience }
    { name: 'TIDEGATE_OIDC_ROLE', value: oidcRole }
    { name: 'TIDEGATE_OIDC_NAME', value: oidcName }
    { name: 'TIDEGATE_CONSOLE_CLIENT_ID', value: consoleClientId }
    {
      name: 'TIDEGATE_CONSOLE_CLIENT_SECRET'
      value: empty(consoleCredential) ? '' : 'azure:${names.vault}/${consoleCredential}'
    }
    {
      name: 'TIDEGATE_SLACK_SIGNING_SECRET'
      value: empty(slackSigning) ? '' : 'azure:${names.vault}/${slackSigning}'
    }
    { name: 'TIDEGATE_SLACK_TEAM', value: slackTeam }
  ],
  setting => !empty(setting.value)
)

var settings = [
  { name: 'AzureWebJobsStorage__accountName', value: hostStore.name }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
  // The identity that our own clients use.
  { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
  // Larger bodies are refused by the host, before they take the worker's memory.
  { name: 'FUNCTIONS_REQUEST_BODY_SIZE_LIMIT', value: '300000' }
  { name: 'TEMPORAL_ADDRESS', value: temporalAddress }
  { name: 'TEMPORAL_NAMESPACE', value: temporalNamespace }
  { name: 'TIDEGATE_APP_URL', value: appUrl }
  { name: 'TIDEGATE_LINK_KEYS', value: join(references, ',') }
  { name: 'TIDEGATE_DOCUMENTS', value: 'azure://${names.documents}/${containers.documents}' }
  { name: 'TIDEGATE_REPORTS', value: 'azure://${names.documents}/${containers.reports}/' }
  { name: 'TIDEGATE_QUARANTINE', value: 'azure://${names.documents}/${containers.quarantine}' }
]

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-app-${names.token}'
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
  name: names.application
  location: location
  tags: tags
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
      ? resourceId('Microsoft.Network/virtualNetworks/subnets', names.network, subnets.application)
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
        // The least that Azure takes.
        maximumInstanceCount: 40
        // Without it an instance of a Python app takes one request at a time.
        triggers: { http: { perInstanceConcurrency: 32 } }
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      appSettings: concat(settings, credentials, callers)
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
    // No log of requests: it would have their paths.
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

var queries = [
  {
    name: 'application-failures'
    description: 'The HTTP application fails, or answers 5xx: Temporal or a secret is unavailable, or a setting is invalid. Links of pages do nothing: run `tidegate doctor`.'
    severity: 1
    query: '''
FunctionAppLogs
| where _ResourceId contains "/sites/app-"
| where Level == "Error" or Level == "Critical" or Message matches regex @"refused: \w+ \(5\d\d\)"
| summarize Requests = count()
| where Requests > 2
'''
  }
  {
    // A link that has expired, and what is impossible now, is nobody's attack.
    name: 'application-refused'
    description: 'The HTTP application refused many tokens: somebody guesses links or tokens, or a key or token was changed on one side only.'
    severity: 2
    query: '''
FunctionAppLogs
| where _ResourceId contains "/sites/app-"
| where Message matches regex @"refused: (InvalidLink|NotAuthenticated|NotVerified|RoleTooLow) \("
| summarize Requests = count()
| where Requests > 20
'''
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queries: {
    name: '${alert.name}-${names.token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Tidegate: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [workspace.id]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT5M'
      // The tables do not exist before their first row.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: [operators.id] }
    }
  }
]
