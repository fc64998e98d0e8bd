// Who may deploy: an identity for a pipeline, which signs in by a token of its CI (OpenID Connect) and has
// no secret, with rights on the resource group of one environment and nowhere else. Deployed once, by
// somebody who may assign roles in the subscription; the pipeline then deploys platform.bicep.

targetScope = 'subscription'

import { problemOfEnvironmentName } from 'modules/checks.bicep'

@description('The environment that it deploys, as in main.bicep.')
@minLength(2)
@maxLength(16)
param environmentName string

@description('The Azure region.')
param location string

@description('Who issues the tokens of the pipeline.')
@minLength(9)
param issuer string = 'https://token.actions.githubusercontent.com'

@description('The token\'s subject, e.g. repo:example/tidegate:environment:prod. Whoever gets such a token may deploy: let the environment require a review.')
@minLength(3)
param subject string

@description('The resource group of the environment, which is made.')
@minLength(1)
@maxLength(90)
param resourceGroupName string = 'rg-tidegate-${environmentName}'

@description('The resource group of the identity, which is made. It is another one, so that the pipeline cannot change who it trusts.')
@minLength(1)
@maxLength(90)
param deployersGroupName string = 'rg-tidegate-deployers'

var problems = filter(
  [
    problemOfEnvironmentName(environmentName)
    resourceGroupName == deployersGroupName
      ? 'resourceGroupName and deployersGroupName are both "${resourceGroupName}": the pipeline could then change who it trusts.'
      : ''
  ],
  problem => !empty(problem)
)
var region = empty(problems) ? location : fail(join(problems, ' '))

var tags = {
  'azd-env-name': environmentName
  application: 'tidegate'
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: region
  tags: tags
}

resource deployers 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: deployersGroupName
  location: region
}

module identity 'modules/deployer-identity.bicep' = {
  scope: deployers
  params: {
    name: 'id-tidegate-deployer-${environmentName}'
    location: region
    tags: tags
    issuer: issuer
    subject: subject
  }
}

module rights 'modules/deployer-rights.bicep' = {
  scope: group
  params: { principalId: identity.outputs.principalId }
}

// What the pipeline signs in with; none of it is a secret.
output AZURE_CLIENT_ID string = identity.outputs.clientId
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_SUBSCRIPTION_ID string = subscription().subscriptionId
output AZURE_RESOURCE_GROUP string = group.name
