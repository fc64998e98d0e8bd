// The root worker of main.prod.bicepparam. The values from `token` on are outputs of that deployment.

using 'root-worker.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param temporalAuth = 'mtls'
param token = '4fhrpq7dmhz4u'
param documentsAccount = 'stdocs4fhrpq7dmhz4u'
param vaultName = 'kv-4fhrpq7dmhz4u'
param registryEndpoint = 'cr4fhrpq7dmhz4u.azurecr.io'
param image = 'cr4fhrpq7dmhz4u.azurecr.io/tidegate-worker:1.0.0'
