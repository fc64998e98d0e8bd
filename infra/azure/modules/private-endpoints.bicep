// Private endpoints of everything the processes use, and their DNS zones. Telemetry goes to Azure
// Monitor's public endpoint, by identity: a private link scope would affect every workspace that is
// resolved in the network, which is not ours to decide.

param location string
param tags object
param token string
param networkId string
param subnetId string
param documentsAccountId string
param hostAccountId string
param busId string
param vaultId string
param registryId string

var zones = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.servicebus.windows.net'
  'privatelink.vaultcore.azure.net'
  'privatelink${environment().suffixes.acrLoginServer}'
]

var targets = [
  { name: 'documents', id: documentsAccountId, group: 'blob', zone: 0 }
  { name: 'host-blob', id: hostAccountId, group: 'blob', zone: 0 }
  { name: 'host-table', id: hostAccountId, group: 'table', zone: 1 }
  { name: 'bus', id: busId, group: 'namespace', zone: 2 }
  { name: 'vault', id: vaultId, group: 'vault', zone: 3 }
  { name: 'registry', id: registryId, group: 'registry', zone: 4 }
]

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
    name: 'vnet-${token}'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: networkId }
    }
  }
]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = [
  for target in targets: {
    name: 'pep-${target.name}-${token}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: target.name
          properties: {
            #disable-next-line use-resource-id-functions // each is a parameter, listed above
            privateLinkServiceId: target.id
            groupIds: [target.group]
          }
        }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [
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
