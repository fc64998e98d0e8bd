// The workers' images, pulled by identity; there is no admin user and no anonymous pull.

import { Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names
param privateNetworking bool
param allowedIpRanges string[]
param zoneRedundant bool

var premium = privateNetworking || zoneRedundant

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: names.registry
  location: location
  tags: tags
  sku: { name: premium ? 'Premium' : 'Standard' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: privateNetworking && empty(allowedIpRanges) ? 'Disabled' : 'Enabled'
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
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
