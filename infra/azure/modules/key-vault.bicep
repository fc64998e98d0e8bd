// The secrets. They are read by identity only; deleted ones can be recovered, and with purge protection
// nobody can end them before their retention does. Before one expires the operators are alerted: Key
// Vault's event goes to their action group ("Handle Azure Key Vault events using Monitor alerts"; only
// versions that are set after the subscription raise it, so it comes first).

import { Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names
param privateNetworking bool
param allowedIpRanges string[]

@description('Protect the vault and its secrets from being purged. Once on, it stays on.')
param purgeProtection bool

@description('Days that a deleted vault or secret can be recovered. It cannot be changed later.')
param retentionDays int

@description('Recover the deleted vault of this name, with its secrets.')
param recover bool

@description('When the credentials of this deployment expire, as 2027-06-30T00:00:00Z; empty for never.')
param credentialsExpire string

@secure()
param temporalApiKey string

@secure()
param temporalClientCertificate string

@secure()
param temporalClientKey string

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: names.vault
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    createMode: recover ? 'recover' : 'default'
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: retentionDays
    // Azure refuses false.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      // For Azure's own services, such as Resource Manager; processes use the private endpoint.
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
      ipRules: [for range in allowedIpRanges: { value: range }]
    }
  }
}

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' existing = { name: names.actionGroup }

resource events 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: names.vaultEvents
  location: location
  tags: tags
  properties: {
    source: vault.id
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource expiry 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: events
  name: 'secrets-expire'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: ['Microsoft.KeyVault.SecretNearExpiry', 'Microsoft.KeyVault.SecretExpired']
    }
    destination: {
      endpointType: 'MonitorAlert'
      properties: {
        description: 'A secret expires within 30 days, or has expired: set a new version of it in the vault.'
        severity: 'Sev1'
        actionGroups: [operators.id]
      }
    }
  }
}

var attributes = empty(credentialsExpire) ? {} : { exp: dateTimeToEpoch(credentialsExpire) }

resource apiKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(temporalApiKey)) {
  parent: vault
  name: 'temporal-api-key'
  properties: {
    value: temporalApiKey
    contentType: 'Temporal API key'
    attributes: attributes
  }
  dependsOn: [expiry]
}

resource clientCertificate 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(temporalClientCertificate)) {
  parent: vault
  name: 'temporal-client-certificate'
  properties: {
    value: temporalClientCertificate
    contentType: 'PEM'
    attributes: attributes
  }
  dependsOn: [expiry]
}

resource clientKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(temporalClientKey)) {
  parent: vault
  name: 'temporal-client-key'
  properties: {
    value: temporalClientKey
    contentType: 'PEM'
    attributes: attributes
  }
  dependsOn: [expiry]
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource eventDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: events
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
