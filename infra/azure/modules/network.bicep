// The network of a private installation: a subnet each for the function app, the workers and the
// private endpoints. Temporal Cloud can be connected by a private endpoint of its own.

param location string
param tags object
param token string

resource guard 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-${token}'
  location: location
  tags: tags
  // The default rules suffice: inbound from the network only, outbound to anywhere.
  properties: { securityRules: [] }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.60.0.0/16'] }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: '10.60.0.0/24'
          networkSecurityGroup: { id: guard.id }
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'workers'
        properties: {
          addressPrefix: '10.60.2.0/23'
          networkSecurityGroup: { id: guard.id }
          delegations: [{ name: 'apps', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.60.4.0/24'
          networkSecurityGroup: { id: guard.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }

  resource functions 'subnets' existing = { name: 'functions' }
  resource workers 'subnets' existing = { name: 'workers' }
  resource endpoints 'subnets' existing = { name: 'endpoints' }
}

output networkId string = network.id
output functionsSubnetId string = network::functions.id
output workersSubnetId string = network::workers.id
output endpointsSubnetId string = network::endpoints.id
