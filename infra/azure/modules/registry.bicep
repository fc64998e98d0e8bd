// The workers' images, pulled by identity; there is no admin user and no anonymous pull.

param location string
param tags object
@minLength(13)
param token string
param privateNetworking bool
param allowedIpRanges string[]
param zoneRedundant bool
param workspaceId string

var premium = privateNetworking || zoneRedundant

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: 'cr${token}'
  location: location
  tags: tags
  sku: { name: premium ? 'Premium' : 'Standard' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    networkRuleBypassOptions: 'AzureServices'
    zoneRedundancy: zoneRedundant ? 'Enabled' : 'Disabled'
    networkRuleSet: privateNetworking
      ? {
          defaultAction: 'Deny'
          ipRules: map(allowedIpRanges, range => { value: range, action: 'Allow' })
        }
      : null
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: registry
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = registry.id
output name string = registry.name
output endpoint string = registry.properties.loginServer
