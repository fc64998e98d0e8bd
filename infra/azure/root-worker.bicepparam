// For azd, which passes its environment in variables, and in SERVICE_ROOT_WORKER_IMAGE_NAME the image that it
// has pushed.

using 'root-worker.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param temporalAddress = readEnvironmentVariable('TEMPORAL_ADDRESS')
param temporalNamespace = readEnvironmentVariable('TEMPORAL_NAMESPACE')
param temporalAuth = readEnvironmentVariable('TEMPORAL_AUTH', 'apiKey')
param image = readEnvironmentVariable('SERVICE_ROOT_WORKER_IMAGE_NAME')
param minReplicas = int(readEnvironmentVariable('ROOT_WORKER_MIN_REPLICAS', '1'))
param maxReplicas = int(readEnvironmentVariable('ROOT_WORKER_MAX_REPLICAS', '5'))
param drainSeconds = int(readEnvironmentVariable('ROOT_WORKER_DRAIN_SECONDS', '120'))
param revisionsMode = readEnvironmentVariable('ROOT_WORKER_REVISIONS_MODE', 'Single')
