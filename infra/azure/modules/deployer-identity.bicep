// The identity of a pipeline, and the one token that it accepts.

import { Tags } from 'names.bicep'

param name string
param location string
param tags Tags
param issuer string
param subject string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags

  resource trust 'federatedIdentityCredentials' = {
    name: 'pipeline'
    properties: {
      issuer: issuer
      subject: subject
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
