// The secrets. They are read by identity only; deleted ones can be recovered, and nobody can purge them.

param location string
param tags object
param token string
param privateNetworking bool
param allowedIpRanges string[]
param workspaceId string

@secure()
param temporalApiKey string

@secure()
param temporalClientCertificate string

@secure()
param temporalClientKey string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: take('kv-${token}', 24)
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      // For Azure's own services, such as Resource Manager; processes use the private endpoint.
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
      ipRules: [for range in allowedIpRanges: { value: range }]
    }
  }
}

resource apiKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(temporalApiKey)) {
  parent: vault
  name: 'temporal-api-key'
  properties: { value: temporalApiKey, contentType: 'Temporal API key' }
}

resource clientCertificate 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(temporalClientCertificate)) {
  parent: vault
  name: 'temporal-client-certificate'
  properties: { value: temporalClientCertificate, contentType: 'PEM' }
}

resource clientKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(temporalClientKey)) {
  parent: vault
  name: 'temporal-client-key'
  properties: { value: temporalClientKey, contentType: 'PEM' }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = vault.id
output name string = vault.name
output uri string = vault.properties.vaultUri
