// One worker as a container app, with its alerts: no ingress, at least one replica, more by CPU, and
// time to drain before it is killed.

param location string
param environmentName string
param token string

@description('The worker\'s name, as in azure.yaml.')
param name string

@description('The Python module that it runs.')
param entryPoint string

@description('The image, with its tag or digest.')
param image string

@description('The registry\'s host.')
param registryEndpoint string

@description('The account that holds documents, reports and quarantine.')
param documentsAccount string

@description('The vault that holds the secrets.')
param vaultName string

param temporalAddress string
param temporalNamespace string

@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string

@description('Further variables from Key Vault: PAGER_KEY=pager-key,CHAT_URL=chat-url.')
param vaultVariables string = ''

@description('CPU cores and memory of one replica: Container Apps requires 2 GiB per core.')
param cpu string = '0.5'
param memory string = '1Gi'

@minValue(1)
param minReplicas int = 1

@minValue(1)
param maxReplicas int = 5

@description('Seconds that running activities may take to finish after SIGTERM.')
@minValue(10)
@maxValue(540)
param drainSeconds int = 120

@description('Multiple keeps old revisions running beside new ones, for pinned workflow versions.')
@allowed(['Single', 'Multiple'])
param revisionsMode string = 'Single'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'id-${name}-${token}'
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' existing = {
  name: 'cae-${token}'
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: vaultName }

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: 'ag-tidegate-${token}'
}

var temporalVariables = temporalAuth == 'apiKey'
  ? ['TEMPORAL_API_KEY=temporal-api-key']
  : temporalAuth == 'mtls'
      ? [
          'TEMPORAL_TLS_CLIENT_CERT_DATA=temporal-client-certificate'
          'TEMPORAL_TLS_CLIENT_KEY_DATA=temporal-client-key'
        ]
      : []
var givenVariables = empty(vaultVariables) ? [] : split(vaultVariables, ',')

var secrets = map(concat(temporalVariables, givenVariables), pair => {
  variable: trim(split(pair, '=')[0])
  secret: trim(split(pair, '=')[1])
})

var variables = [
  { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
  { name: 'TEMPORAL_ADDRESS', value: temporalAddress }
  { name: 'TEMPORAL_NAMESPACE', value: temporalNamespace }
  { name: 'TIDEGATE_DOCUMENTS', value: 'azure://${documentsAccount}/documents' }
  { name: 'TIDEGATE_REPORTS', value: 'azure://${documentsAccount}/reports/' }
  { name: 'TIDEGATE_QUARANTINE', value: 'azure://${documentsAccount}/quarantine' }
  { name: 'TIDEGATE_HEALTH_ADDRESS', value: '0.0.0.0:8080' }
  { name: 'TIDEGATE_DRAIN_TIMEOUT', value: string(drainSeconds) }
]

resource worker 'Microsoft.App/containerApps@2025-01-01' = {
  name: take('ca-${name}-${token}', 32)
  location: location
  tags: {
    'azd-env-name': environmentName
    'azd-service-name': name
    application: 'tidegate'
  }
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
      registries: [{ server: registryEndpoint, identity: identity.id }]
      secrets: [
        for each in secrets: {
          name: each.secret
          keyVaultUrl: '${vault.properties.vaultUri}secrets/${each.secret}'
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
          env: concat(variables, map(secrets, each => { name: each.variable, secretRef: each.secret }))
          resources: {
            cpu: json(cpu)
            memory: memory
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
        maxReplicas: max(minReplicas, maxReplicas)
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
  name: '${name}-restarts-${token}'
  location: 'global'
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
  name: '${name}-absent-${token}'
  location: 'global'
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

output name string = worker.name
