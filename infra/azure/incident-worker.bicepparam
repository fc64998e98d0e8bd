// For azd, which passes its environment in variables, and in SERVICE_INCIDENT_WORKER_IMAGE_NAME the image that it
// has pushed.

using 'incident-worker.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param temporalAddress = readEnvironmentVariable('TEMPORAL_ADDRESS')
param temporalNamespace = readEnvironmentVariable('TEMPORAL_NAMESPACE')
param temporalAuth = readEnvironmentVariable('TEMPORAL_AUTH', 'apiKey')
param image = readEnvironmentVariable('SERVICE_INCIDENT_WORKER_IMAGE_NAME')
param vaultVariables = readEnvironmentVariable('INCIDENT_WORKER_VAULT_VARIABLES', '')
param appUrl = readEnvironmentVariable('PLATFORM_APP_URL', '')
param linkKeys = filter(split(readEnvironmentVariable('LINK_KEYS', ''), ','), each => !empty(each))
param minReplicas = int(readEnvironmentVariable('INCIDENT_WORKER_MIN_REPLICAS', '1'))
param maxReplicas = int(readEnvironmentVariable('INCIDENT_WORKER_MAX_REPLICAS', '5'))
param drainSeconds = int(readEnvironmentVariable('INCIDENT_WORKER_DRAIN_SECONDS', '120'))
param revisionsMode = readEnvironmentVariable('INCIDENT_WORKER_REVISIONS_MODE', 'Single')
