// The names of everything, known before anything is made: `what-if` can then predict each grant and
// the function app, and the workers' templates find their neighbours without being told.

@export()
@description('What every resource bears.')
type Tags = {
  'azd-env-name': string
  application: 'tidegate'
}

@description('What uniqueString() gives.')
@minLength(13)
@maxLength(13)
type Token = string

@export()
type Names = {
  token: Token
  documents: string
  host: string
  bus: string
  vault: string
  @minLength(5)
  registry: string
  functions: string
  application: string
  applicationHost: string
  workersEnvironment: string
  applicationInsights: string
  workspace: string
  actionGroup: string
  functionsIdentity: string
  applicationIdentity: string
  rootWorkerIdentity: string
  incidentWorkerIdentity: string
  network: string
  uploads: string
  vaultEvents: string
}

@export()
@description('The names in a resource group, globally unique by its ID and the environment.')
func namesOf(subscriptionId string, groupId string, environmentName string) Names =>
  withToken(uniqueString(subscriptionId, groupId, environmentName))

func withToken(token Token) Names => {
  token: token
  documents: 'stdocs${token}'
  host: 'sthost${token}'
  bus: 'sb-${token}'
  vault: 'kv-${token}'
  registry: 'cr${token}'
  functions: 'func-${token}'
  application: 'app-${token}'
  applicationHost: 'stapp${token}'
  workersEnvironment: 'cae-${token}'
  applicationInsights: 'appi-${token}'
  workspace: 'log-${token}'
  actionGroup: 'ag-tidegate-${token}'
  functionsIdentity: 'id-functions-${token}'
  applicationIdentity: 'id-application-${token}'
  rootWorkerIdentity: 'id-root-worker-${token}'
  incidentWorkerIdentity: 'id-incident-worker-${token}'
  network: 'vnet-${token}'
  uploads: 'evgt-documents-${token}'
  vaultEvents: 'evgt-secrets-${token}'
}

// The parts of resources that several templates name.

@export()
var entities = {
  blobEventsQueue: 'blob-events'
  messagesQueue: 'messages'
  messagesTopic: 'events'
  messagesSubscription: 'tidegate'
}

@export()
var containers = {
  documents: 'documents'
  reports: 'reports'
  quarantine: 'quarantine'
  undelivered: 'undelivered'
  packages: 'packages'
}

@export()
var subnets = {
  functions: 'functions'
  application: 'application'
  workers: 'workers'
  endpoints: 'endpoints'
}
