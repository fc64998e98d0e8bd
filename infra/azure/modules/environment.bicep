// The workers' environment. Logs are exported by a diagnostic setting, because the alternative needs the
// workspace's shared key.

import { Names, subnets, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names

@description('Use the network\'s subnet for workers, not a network of Azure\'s.')
param privateNetworking bool

param zoneRedundant bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: names.workersEnvironment
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: { destination: 'azure-monitor' }
    vnetConfiguration: privateNetworking
      ? {
          infrastructureSubnetId: resourceId(
            'Microsoft.Network/virtualNetworks/subnets',
            names.network,
            subnets.workers
          )
          internal: true
        }
      : null
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
    zoneRedundant: zoneRedundant
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: environment
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
