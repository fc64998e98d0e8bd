// The pipeline that deploys main.prod.bicepparam: jobs of one repository in its environment `prod`.

using 'deployer.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param subject = 'repo:example/tidegate:environment:prod'
