// Private endpoints of everything the processes use, and their DNS zones. Telemetry goes to Azure
// Monitor's public endpoint, by identity: a private link scope would affect every workspace that is
// resolved in the network, which is not ours to decide.

import { Names, subnets, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names

@description('Also of the HTTP application\'s host account.')
param application bool

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' existing = {
  name: names.network

  resource endpoints 'subnets' existing = { name: subnets.endpoints }
}

var zones = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.servicebus.windows.net'
  'privatelink.vaultcore.azure.net'
  'privatelink${environment().suffixes.acrLoginServer}'
]

var ofTheApplication = [
  {
    name: 'app-blob'
    type: 'Microsoft.Storage/storageAccounts'
    resource: names.applicationHost
    group: 'blob'
    zone: 0
  }
  {
    name: 'app-table'
    type: 'Microsoft.Storage/storageAccounts'
    resource: names.applicationHost
    group: 'table'
    zone: 1
  }
]

var ofAll = [
  { name: 'documents', type: 'Microsoft.Storage/storageAccounts', resource: names.documents, group: 'blob', zone: 0 }
  { name: 'host-blob', type: 'Microsoft.Storage/storageAccounts', resource: names.host, group: 'blob', zone: 0 }
  { name: 'host-table', type: 'Microsoft.Storage/storageAccounts', resource: names.host, group: 'table', zone: 1 }
  { name: 'bus', type: 'Microsoft.ServiceBus/namespaces', resource: names.bus, group: 'namespace', zone: 2 }
  { name: 'vault', type: 'Microsoft.KeyVault/vaults', resource: names.vault, group: 'vault', zone: 3 }
  {
    name: 'registry'
    type: 'Microsoft.ContainerRegistry/registries'
    resource: names.registry
    group: 'registry'
    zone: 4
  }
]

var targets = concat(ofAll, application ? ofTheApplication : [])

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for name in zones: {
    name: name
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (name, i) in zones: {
    parent: zone[i]
    name: 'vnet-${names.token}'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = [
  for target in targets: {
    name: 'pep-${target.name}-${names.token}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::endpoints.id }
      privateLinkServiceConnections: [
        {
          name: target.name
          properties: {
            privateLinkServiceId: resourceId(target.type, target.resource)
            groupIds: [target.group]
          }
        }
      ]
    }
  }
]

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [
  for (target, i) in targets: {
    parent: endpoint[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: target.name
          properties: { privateDnsZoneId: zone[target.zone].id }
        }
      ]
    }
  }
]
