// One identity per process, so that each may do only what it needs (access.bicep). They exist before
// the processes do, so that their roles are effective at the first start.

import { Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names

@description('Make the HTTP application\'s.')
param application bool

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: names.functionsIdentity
  location: location
  tags: tags
}

resource rootWorker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: names.rootWorkerIdentity
  location: location
  tags: tags
}

resource incidentWorker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: names.incidentWorkerIdentity
  location: location
  tags: tags
}

resource httpApplication 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (application) {
  name: names.applicationIdentity
  location: location
  tags: tags
}
