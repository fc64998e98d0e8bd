// Production: private networking, all zones, a year of logs, one instance warm for webhooks.

using 'main.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param temporalAuth = 'mtls'
param temporalClientCertificate = readEnvironmentVariable('TEMPORAL_CLIENT_CERTIFICATE', '')
param temporalClientKey = readEnvironmentVariable('TEMPORAL_CLIENT_KEY', '')
param alertEmails = ['platform-on-call@example.com']
param privateNetworking = true
param allowedIpRanges = ['203.0.113.0/29']
param zoneRedundant = true
param logRetentionDays = 365
param alwaysReadyInstances = 1
param maximumInstances = 100
param webhooksFile = '/home/site/wwwroot/webhooks.yaml'
