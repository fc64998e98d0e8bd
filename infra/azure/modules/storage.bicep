// One storage account and its containers: Entra identities only, no keys, no anonymous reads.

import { Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names
param name string

@description('Each container, with the days after which what lies in it is deleted; 0 for never.')
param containers { name: string, retentionDays: int }[]

@allowed(['Standard_LRS', 'Standard_ZRS'])
param sku string

@description('Keep earlier versions of blobs.')
param versioned bool

@description('Days after which earlier versions are deleted; 0 for never.')
param oldVersionRetentionDays int

param privateNetworking bool
param allowedIpRanges string[]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      // Event Grid leaves undeliverable events here, as a trusted service.
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
      ipRules: [for range in allowedIpRanges: { value: range, action: 'Allow' }]
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: versioned
    deleteRetentionPolicy: { enabled: true, days: 14 }
    containerDeleteRetentionPolicy: { enabled: true, days: 14 }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [
  for each in containers: {
    parent: blobs
    name: each.name
    properties: { publicAccess: 'None' }
  }
]

var expiring = filter(containers, each => each.retentionDays > 0)

var expiry = map(expiring, each => {
  name: 'expire-${each.name}'
  type: 'Lifecycle'
  enabled: true
  definition: {
    filters: { blobTypes: ['blockBlob'], prefixMatch: ['${each.name}/'] }
    actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: each.retentionDays } } }
  }
})

var oldVersions = oldVersionRetentionDays == 0
  ? []
  : [
      {
        name: 'old-versions'
        type: 'Lifecycle'
        enabled: true
        definition: {
          filters: { blobTypes: ['blockBlob'] }
          actions: { version: { delete: { daysAfterCreationGreaterThan: oldVersionRetentionDays } } }
        }
      }
    ]

var rules = concat(oldVersions, expiry)

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = if (!empty(rules)) {
  parent: account
  name: 'default'
  properties: { policy: { rules: rules } }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: blobs
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}
