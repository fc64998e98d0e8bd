// Production: private networking, all zones, a year of logs, webhooks, the HTTP application. With all zones
// Azure keeps two instances of each scaled function ready, and bills them: eight, with the functions that are
// on here, and two of the application. Its secrets have to be in the vault: deploy without the last five
// lines first.

using 'main.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param temporalAddress = 'my-namespace.a1b2c.tmprl.cloud:7233'
param temporalNamespace = 'my-namespace.a1b2c'
param temporalAuth = 'mtls'
param temporalClientCertificate = readEnvironmentVariable('TEMPORAL_CLIENT_CERTIFICATE', '')
param temporalClientKey = readEnvironmentVariable('TEMPORAL_CLIENT_KEY', '')
param credentialsExpire = '2027-06-30T00:00:00Z'
param alertEmails = ['platform-on-call@example.com']
param privateNetworking = true
param allowedIpRanges = ['203.0.113.0/29']
param zoneRedundant = true
param logRetentionDays = 365
param quarantineRetentionDays = 90
param maximumInstances = 100
param webhooksFile = 'webhooks.yaml'
param linkKeys = ['links-first']
param apiTokens = 'api-tokens'
param oidcIssuer = 'https://login.example.com/tenant'
param oidcAudience = 'tidegate'
param oidcRole = 'realm_access.roles'
