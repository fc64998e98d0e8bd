// For `azd up`, which passes its environment in variables. Parameters that are not set here have their
// defaults of main.bicep.

using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param temporalAddress = readEnvironmentVariable('TEMPORAL_ADDRESS')
param temporalNamespace = readEnvironmentVariable('TEMPORAL_NAMESPACE')
param temporalAuth = readEnvironmentVariable('TEMPORAL_AUTH', 'apiKey')
param temporalApiKey = readEnvironmentVariable('TEMPORAL_API_KEY', '')
param alertEmails = filter(split(readEnvironmentVariable('ALERT_EMAILS', ''), ','), email => !empty(email))
param privateNetworking = bool(readEnvironmentVariable('PRIVATE_NETWORKING', 'false'))
