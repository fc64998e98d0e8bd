// The root worker, which validates and routes events. Deployed once its image is in the registry: by
// azd after the push, or by hand with the outputs of main.bicep.

@description('As in main.bicep.')
param environmentName string
param location string = resourceGroup().location
param temporalAddress string
param temporalNamespace string

@allowed(['apiKey', 'mtls', 'none'])
param temporalAuth string = 'apiKey'

@description('Outputs of main.bicep: PLATFORM_TOKEN, PLATFORM_DOCUMENTS, PLATFORM_VAULT, AZURE_CONTAINER_REGISTRY_ENDPOINT.')
param token string
param documentsAccount string
param vaultName string
param registryEndpoint string

@description('The image, with its tag or digest.')
param image string

@minValue(1)
param minReplicas int = 1

@minValue(1)
param maxReplicas int = 5

@description('Seconds that running activities may take to finish after SIGTERM.')
@minValue(10)
@maxValue(540)
param drainSeconds int = 120

@allowed(['Single', 'Multiple'])
param revisionsMode string = 'Single'

module worker 'modules/worker.bicep' = {
  params: {
    name: 'root-worker'
    entryPoint: 'workers.root_orchestrator.run_worker'
    environmentName: environmentName
    location: location
    token: token
    image: image
    registryEndpoint: registryEndpoint
    documentsAccount: documentsAccount
    vaultName: vaultName
    temporalAddress: temporalAddress
    temporalNamespace: temporalNamespace
    temporalAuth: temporalAuth
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    drainSeconds: drainSeconds
    revisionsMode: revisionsMode
  }
}
