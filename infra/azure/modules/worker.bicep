// One worker as a container app, with its alerts: no ingress, at least one replica, more by CPU, and
// time to drain before it is killed.

import { isAddress, madeOf, problemOfEnvironmentName, repeats } from 'checks.bicep'
import { containers, Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names

@description('The worker\'s name, as in azure.yaml.')
param name string

@description('The Python module that it runs.')
param entryPoint string

@description('The image, with its tag or digest.')
param image string

param temporalAddress string
param temporalNamespace string

@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string

@description('Further variables from Key Vault: PAGER_KEY=pager-key,CHAT_URL=chat-url.')
param vaultVariables string

@description('The address of the HTTP application, for the links in pages; empty for none.')
param appUrl string = ''

@description('The secrets of the vault that sign these links.')
param linkKeys string[] = []

@minValue(1)
@maxValue(1000)
param minReplicas int

@minValue(1)
@maxValue(1000)
param maxReplicas int

@description('Seconds that running activities may take to finish after SIGTERM.')
@minValue(10)
@maxValue(540)
param drainSeconds int

@description('Multiple keeps old revisions running beside new ones, for pinned workflow versions.')
@allowed(['Single', 'Multiple'])
param revisionsMode string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'id-${name}-${names.token}'
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' existing = {
  name: names.workersEnvironment
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: names.vault }

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: names.actionGroup
}

var temporalVariables = temporalAuth == 'apiKey'
  ? ['TEMPORAL_API_KEY=temporal-api-key']
  : temporalAuth == 'mtls'
      ? [
          'TEMPORAL_TLS_CLIENT_CERT_DATA=temporal-client-certificate'
          'TEMPORAL_TLS_CLIENT_KEY_DATA=temporal-client-key'
        ]
      : []
var chosenVariables = empty(vaultVariables) ? [] : split(vaultVariables, ',')
var secretVariables = concat(temporalVariables, chosenVariables)

var variablesOfSecrets = map(secretVariables, pair => {
  name: trim(first(split(pair, '='))!)
  // Names in a vault do not differ by case alone, and Container Apps takes small letters only.
  secret: toLower(trim(last(split(pair, '='))!))
})

// Once each, though several variables may have the same.
var secretNames = union(map(variablesOfSecrets, each => each.secret), [])

var clientId = { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
var links = empty(appUrl)
  ? []
  : [
      { name: 'TIDEGATE_APP_URL', value: appUrl }
      { name: 'TIDEGATE_LINK_KEYS', value: join(map(linkKeys, secret => 'azure:${names.vault}/${secret}'), ',') }
    ]
var variables = [
  { name: 'TEMPORAL_ADDRESS', value: temporalAddress }
  { name: 'TEMPORAL_NAMESPACE', value: temporalNamespace }
  { name: 'TIDEGATE_DOCUMENTS', value: 'azure://${names.documents}/${containers.documents}' }
  { name: 'TIDEGATE_REPORTS', value: 'azure://${names.documents}/${containers.reports}/' }
  { name: 'TIDEGATE_QUARANTINE', value: 'azure://${names.documents}/${containers.quarantine}' }
  { name: 'TIDEGATE_HEALTH_ADDRESS', value: '0.0.0.0:8080' }
  { name: 'TIDEGATE_DRAIN_TIMEOUT', value: string(drainSeconds) }
]

var ours = concat(
  ['AZURE_CLIENT_ID', 'TIDEGATE_APP_URL', 'TIDEGATE_LINK_KEYS'],
  map(variables, each => each.name),
  map(temporalVariables, pair => split(pair, '=')[0])
)
var chosen = map(chosenVariables, pair => trim(first(split(pair, '='))!))

var lower = 'abcdefghijklmnopqrstuvwxyz'
var digits = '0123456789'

var problems = filter(
  [
    problemOfEnvironmentName(tags['azd-env-name'])
    isAddress(temporalAddress) ? '' : 'temporalAddress is "${temporalAddress}": write host:port, without https://.'
    empty(appUrl) == empty(linkKeys)
      ? ''
      : 'appUrl and linkKeys need each other: links lead to the HTTP application, and a key signs them.'
    minReplicas > maxReplicas
      ? 'minReplicas is ${minReplicas} and maxReplicas is ${maxReplicas}: the maximum is at least the minimum.'
      : ''
    empty(filter(
        chosenVariables,
        pair => length(split(pair, '=')) != 2 || contains(map(split(pair, '='), part => trim(part)), '')
      ))
      ? ''
      : 'vaultVariables is "${vaultVariables}": write VARIABLE=secret, separated by commas, as PAGER_KEY=pager-key,CHAT_URL=chat-url.'
    empty(filter(
        variablesOfSecrets,
        each => !madeOf(each.name, '${lower}${toUpper(lower)}${digits}_') || !madeOf(each.secret, '${lower}${digits}-')
      ))
      ? ''
      : 'vaultVariables is "${vaultVariables}": a variable has letters, digits and _ in its name, a secret letters, digits and -.'
    repeats(chosen) ? 'vaultVariables names a variable twice: "${vaultVariables}".' : ''
    empty(intersection(chosen, ours))
      ? ''
      : 'vaultVariables cannot set ${join(intersection(chosen, ours), ', ')}: the template does.'
  ],
  problem => !empty(problem)
)

resource worker 'Microsoft.App/containerApps@2025-01-01' = {
  name: take('ca-${name}-${names.token}', 32)
  location: empty(problems) ? location : fail(join(problems, ' '))
  tags: union(tags, { 'azd-service-name': name })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: revisionsMode
      maxInactiveRevisions: 10
      registries: [{ server: '${names.registry}${az.environment().suffixes.acrLoginServer}', identity: identity.id }]
      secrets: [
        for secret in secretNames: {
          name: secret
          keyVaultUrl: '${vault.properties.vaultUri}secrets/${secret}'
          identity: identity.id
        }
      ]
    }
    template: {
      // Longer than the drain, or the worker would be killed before it has finished.
      terminationGracePeriodSeconds: drainSeconds + 30
      containers: [
        {
          name: 'worker'
          image: image
          command: ['python', '-m', entryPoint]
          env: concat(
            [clientId],
            variables,
            links,
            map(variablesOfSecrets, each => { name: each.name, secretRef: each.secret })
          )
          // Container Apps requires 2 GiB per core.
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: [
            {
              type: 'Startup'
              httpGet: { path: '/healthz', port: 8080 }
              periodSeconds: 2
              failureThreshold: 30
            }
            {
              type: 'Liveness'
              httpGet: { path: '/healthz', port: 8080 }
              periodSeconds: 10
              failureThreshold: 6
            }
            {
              type: 'Readiness'
              httpGet: { path: '/readyz', port: 8080 }
              periodSeconds: 5
              failureThreshold: 3
            }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [
          {
            name: 'cpu'
            custom: { type: 'cpu', metadata: { type: 'Utilization', value: '70' } }
          }
        ]
      }
    }
  }
}

resource restarts 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-restarts-${names.token}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The ${name} keeps restarting: its log says why.'
    severity: 2
    enabled: true
    scopes: [worker.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'restarts'
          metricNamespace: 'Microsoft.App/containerapps'
          metricName: 'RestartCount'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 2
        }
      ]
    }
    actions: [{ actionGroupId: operators.id }]
  }
}

resource absent 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-absent-${names.token}'
  location: 'global'
  tags: tags
  properties: {
    description: 'No replica of the ${name} runs: its workflows do not proceed.'
    severity: 1
    enabled: true
    scopes: [worker.id]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'replicas'
          metricNamespace: 'Microsoft.App/containerapps'
          metricName: 'Replicas'
          timeAggregation: 'Maximum'
          operator: 'LessThan'
          threshold: 1
        }
      ]
    }
    actions: [{ actionGroupId: operators.id }]
  }
}
