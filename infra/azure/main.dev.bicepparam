// A cheap environment for trying things out: public endpoints (by identity only), nothing kept warm, and a
// vault that can be purged, so that the environment can be taken down and made again.

using 'main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param temporalApiKey = readEnvironmentVariable('TEMPORAL_API_KEY', '')
param vaultPurgeProtection = false
param vaultRetentionDays = 7
