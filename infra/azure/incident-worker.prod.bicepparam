// The incident worker in production: two replicas at least, in two zones.

using 'incident-worker.bicep'

param environmentName = 'prod'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param temporalAuth = 'mtls'
param image = 'cr4fhrpq7dmhz4u.azurecr.io/tidegate-worker:1.0.0'
param vaultVariables = 'PAGER_KEY=pager-key,FALLBACK_KEY=pager-key,CHAT_URL=chat-url'
param appUrl = 'https://app-4fhrpq7dmhz4u.azurewebsites.net'
param linkKeys = ['links-first']
param minReplicas = 2
param maxReplicas = 10
param revisionsMode = 'Multiple'
