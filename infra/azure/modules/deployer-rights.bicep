// What a pipeline may do in an environment's resource group: make and change resources, and grant
// Tidegate's own roles to processes. It can grant no other role, none to a person, and none elsewhere.

import { deployerRoles, roles } from 'roles.bicep'

param principalId string

var granted = join(map(items(roles), role => role.value), ', ')

var write = 'Microsoft.Authorization/roleAssignments/write'
var delete = 'Microsoft.Authorization/roleAssignments/delete'
var assignment = 'Microsoft.Authorization/roleAssignments'

resource changes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, 'deployer', deployerRoles.contributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', deployerRoles.contributor)
  }
}

resource grants 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, 'deployer', deployerRoles.roleBasedAccessControlAdministrator)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      deployerRoles.roleBasedAccessControlAdministrator
    )
    conditionVersion: '2.0'
    condition: '((!(ActionMatches{\'${write}\'})) OR (@Request[${assignment}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${granted}} AND @Request[${assignment}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'})) AND ((!(ActionMatches{\'${delete}\'})) OR (@Resource[${assignment}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${granted}} AND @Resource[${assignment}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}))'
  }
}
