// One identity per process, so that each may do only what it needs (access.bicep). They exist before
// the processes do, so that their roles are effective at the first start.

param location string
param tags object
param token string

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-functions-${token}'
  location: location
  tags: tags
}

resource rootWorker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-root-worker-${token}'
  location: location
  tags: tags
}

resource incidentWorker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-incident-worker-${token}'
  location: location
  tags: tags
}

output functionsId string = functions.id
output functionsClientId string = functions.properties.clientId
output functionsPrincipalId string = functions.properties.principalId
output rootWorkerPrincipalId string = rootWorker.properties.principalId
output incidentWorkerPrincipalId string = incidentWorker.properties.principalId
