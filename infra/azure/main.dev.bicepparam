// A cheap environment to try things in: public endpoints (behind identities), nothing kept warm.

using 'main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param temporalApiKey = readEnvironmentVariable('TEMPORAL_API_KEY', '')
