// What the HTTP application may do, each on the smallest scope that Azure supports: of the vault only the
// secrets that its settings name, which therefore have to be there. docs/deploy-azure.md has the table.

import { containers, Names } from 'names.bicep'
import { roles } from 'roles.bicep'

param names Names

@description('The secrets of the vault that it reads.')
param secretNames string[]

@description('Let it read reports, and read, replay and delete what is quarantined: for the HTTP API.')
param api bool

resource application 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.applicationIdentity
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: names.vault }

resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' existing = [
  for name in secretNames: {
    parent: vault
    name: name
  }
]

resource readsSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in secretNames: {
    scope: secret[i]
    name: guid(secret[i].id, application.id, roles.keyVaultSecretsUser)
    properties: {
      principalId: application.properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    }
  }
]

resource hostStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = { name: names.applicationHost }

// The Functions host keeps leases, keys and packages there; its documentation asks for Owner.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStore
  name: guid(hostStore.id, application.id, roles.storageBlobDataOwner)
  properties: {
    principalId: application.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// The host's diagnostic events.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStore
  name: guid(hostStore.id, application.id, roles.storageTableDataContributor)
  properties: {
    principalId: application.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageTableDataContributor
    )
  }
}

resource documentsStore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: names.documents

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource reports 'containers' existing = { name: containers.reports }
    resource quarantine 'containers' existing = { name: containers.quarantine }
  }
}

resource readsReports 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (api) {
  scope: documentsStore::blobs::reports
  name: guid(documentsStore::blobs::reports.id, application.id, roles.storageBlobDataReader)
  properties: {
    principalId: application.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
  }
}

resource quarantines 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (api) {
  scope: documentsStore::blobs::quarantine
  name: guid(documentsStore::blobs::quarantine.id, application.id, roles.storageBlobDataContributor)
  properties: {
    principalId: application.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor
    )
  }
}
