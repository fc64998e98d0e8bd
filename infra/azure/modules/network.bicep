// The network of a private installation: a subnet each for the function app, the HTTP application, the
// workers and the private endpoints. Temporal Cloud can be connected by a private endpoint of its own.

import { Names, Tags, subnets as subnetNames } from 'names.bicep'

param location string
param tags Tags
param names Names

resource guard 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-${names.token}'
  location: location
  tags: tags
  // The default rules suffice: inbound from the network only, outbound to anywhere.
  properties: { securityRules: [] }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: names.network
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.60.0.0/16'] }
    subnets: [
      {
        name: subnetNames.functions
        properties: {
          addressPrefix: '10.60.0.0/24'
          networkSecurityGroup: { id: guard.id }
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: subnetNames.application
        properties: {
          addressPrefix: '10.60.1.0/24'
          networkSecurityGroup: { id: guard.id }
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: subnetNames.workers
        properties: {
          addressPrefix: '10.60.2.0/23'
          networkSecurityGroup: { id: guard.id }
          delegations: [{ name: 'apps', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: subnetNames.endpoints
        properties: {
          addressPrefix: '10.60.4.0/24'
          networkSecurityGroup: { id: guard.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}
