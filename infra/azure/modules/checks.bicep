// What several templates check in their parameters.

@export()
@description('Whether a text has characters of an alphabet only, and at least one.')
func madeOf(text string, alphabet string) bool =>
  !empty(text) && empty(filter(range(0, length(text)), i => !contains(alphabet, substring(text, i, 1))))

@export()
@description('Whether a text is host:port.')
func isAddress(text string) bool =>
  length(split(text, ':')) == 2 && madeOf(toLower(first(split(text, ':'))!), 'abcdefghijklmnopqrstuvwxyz0123456789-.') && isNumber(
    last(split(text, ':'))!,
    1,
    65535
  )

@description('Whether a text is a whole number between two others, without zeros before it.')
func isNumber(text string, least int, most int) bool =>
  madeOf(text, '0123456789') && length(text) <= length(string(most))
    ? int(text) >= least && int(text) <= most && string(int(text)) == text
    : false

@description('Whether a text is an IPv4 address, or a range of four at least.')
func isRange(text string) bool =>
  length(split(text, '/')) == 1
    ? isIpv4(text)
    : length(split(text, '/')) == 2 && isIpv4(first(split(text, '/'))!) && isNumber(last(split(text, '/'))!, 0, 30)

func isIpv4(text string) bool =>
  length(split(text, '.')) == 4 && empty(filter(split(text, '.'), part => !isNumber(part, 0, 255)))

@export()
@description('Whether a list has something twice.')
func repeats(list string[]) bool => length(union(list, [])) < length(list)

@export()
@description('What is wrong with the name of an environment, which names of resources contain; empty if nothing is.')
func problemOfEnvironmentName(text string) string =>
  madeOf(toLower(text), 'abcdefghijklmnopqrstuvwxyz0123456789-_')
    ? ''
    : 'environmentName is "${text}": write letters, digits, - and _ only, as prod.'

func isEmail(text string) bool =>
  length(split(text, '@')) == 2 && !startsWith(text, '@') && !contains(text, ' ') && isDomain(last(split(text, '@'))!)

func isDomain(text string) bool =>
  contains(text, '.') && !contains(text, '..') && !startsWith(text, '.') && !endsWith(text, '.')

@description('Each digit of a text as 0.')
func shapeOf(text string) string =>
  join(map(range(0, length(text)), i => madeOf(substring(text, i, 1), '0123456789') ? '0' : substring(text, i, 1)), '')

func isTime(text string) bool =>
  shapeOf(text) == '0000-00-00T00:00:00Z'
    ? isDate(int(substring(text, 0, 4)), int(substring(text, 5, 2)), int(substring(text, 8, 2))) && isClock(map(
        split(substring(text, 11, 8), ':'),
        part => int(part)
      ))
    : false

func isDate(year int, month int, day int) bool => year > 0 && day > 0 && day <= daysOf(year, month)

func daysOf(year int, month int) int =>
  month < 1 || month > 12 ? 0 : month == 2 ? (year % 4 == 0 ? 29 : 28) : contains([4, 6, 9, 11], month) ? 30 : 31

func isClock(parts int[]) bool => parts[0] < 24 && parts[1] < 60 && parts[2] < 60

// The formats that a queue may have: those of core/formats/registry.py that are not internal, and a mapping
// of each preset in core/formats/presets.
@export()
var queueFormatNames = [
  's3'
  'message'
  'alertmanager'
  'grafana'
  'pagerduty'
  'pagerduty_webhook'
  'opsgenie'
  'datadog'
  'azure_monitor'
  'cloudwatch'
  'event_grid'
  'github'
  'sentry'
  'slack'
  'heartbeat'
  'mapped:aws-health'
  'mapped:checkmk'
  'mapped:dynatrace'
  'mapped:gitlab'
  'mapped:google-cloud-monitoring'
  'mapped:graylog'
  'mapped:guardduty'
  'mapped:kibana'
  'mapped:nagios'
  'mapped:new-relic'
  'mapped:pingdom'
  'mapped:prometheus'
  'mapped:security-hub'
  'mapped:splunk'
  'mapped:splunk-observability'
  'mapped:statuscake'
  'mapped:statuspage'
  'mapped:uptime-kuma'
  'mapped:uptimerobot'
  'mapped:zabbix'
]

// Tidegate's own types: OWN_TYPES in core/domain/event.py.
@export()
var ownTypes = [
  'tidegate.document.created'
  'tidegate.document.removed'
  'tidegate.document.changed'
  'tidegate.message'
  'tidegate.alert'
  'tidegate.heartbeat'
  'tidegate.incident.reported'
  'tidegate.incident.successor'
  'tidegate.incident.command'
]

@description('Whether a text is the name of a secret in a vault.')
func isSecretName(text string) bool =>
  length(text) <= 127 && madeOf(toLower(text), 'abcdefghijklmnopqrstuvwxyz0123456789-')

@description('Whether a text is an https address without a query.')
func isHttps(text string) bool =>
  startsWith(text, 'https://') && length(text) > 8 && !contains(text, ' ') && !contains(text, '?') && !contains(
    text,
    '#'
  ) && !contains(text, '@')

func isQueueWithFormat(text string) bool =>
  length(split(text, '=')) == 2 && !startsWith(text, '=') && !endsWith(text, '=')

@description('The parameters that are checked. Secrets are not among them: what depends on one is in no snapshot. preflight.sh checks those.')
type Checked = {
  environmentName: string
  temporalAddress: string
  credentialsExpire: string
  alertEmails: string[]
  privateNetworking: bool
  allowedIpRanges: string[]
  serviceBusSku: string
  alwaysReadyInstances: int
  maximumInstances: int
  disabledFunctions: string[]
  @description('What disabledFunctions may have.')
  functionNames: string[]
  orderedMessages: bool
  trustedTypes: string[]
  @description('What trustedTypes may have.')
  ownTypes: string[]
  queueFormats: string[]
  @description('What queueFormats may have.')
  queueFormatNames: string[]
  webhooksFile: string
  linkKeys: string[]
  appUrl: string
  apiTokens: string
  oidcIssuer: string
  oidcAudience: string
  oidcRole: string
  oidcName: string
  consoleClientId: string
  consoleCredential: string
  slackSigning: string
  slackTeam: string
  appReadyInstances: int
}

@export()
@description('A sentence for each fault of the platform\'s parameters. main.bicep checks before the resource group is made; platform.bicep for those who deploy it by itself.')
func problemsOf(given Checked) string[] =>
  filter(
    [
      problemOfEnvironmentName(given.environmentName)
      empty(given.credentialsExpire) || isTime(given.credentialsExpire)
        ? ''
        : 'credentialsExpire is "${given.credentialsExpire}": write a time in UTC, as 2027-06-30T00:00:00Z.'
      empty(filter(given.alertEmails, each => !isEmail(each)))
        ? ''
        : 'alertEmails is "${join(given.alertEmails, ', ')}": write addresses, as on-call@example.com.'
      given.privateNetworking && given.serviceBusSku == 'Standard'
        ? 'privateNetworking needs serviceBusSku=Premium: Standard has no private endpoints.'
        : ''
      !given.privateNetworking && !empty(given.allowedIpRanges)
        ? 'allowedIpRanges without privateNetworking=true would allow everybody else as well.'
        : ''
      given.alwaysReadyInstances > given.maximumInstances
        ? 'alwaysReadyInstances is ${given.alwaysReadyInstances} and maximumInstances is ${given.maximumInstances}: the maximum is at least the minimum.'
        : ''
      given.alwaysReadyInstances > 0 && contains(given.disabledFunctions, 'webhook')
        ? 'alwaysReadyInstances is ${given.alwaysReadyInstances} and disabledFunctions has webhook, which alone they are for: leave one of them out.'
        : ''
      empty(filter(given.allowedIpRanges, each => !isRange(each)))
        ? ''
        : 'allowedIpRanges is "${join(given.allowedIpRanges, ', ')}": write addresses and ranges, as 203.0.113.7 and 203.0.113.0/29; storage takes IPv4 only, and of less than four addresses each by itself, without /31 or /32.'
      isAddress(given.temporalAddress)
        ? ''
        : 'temporalAddress is "${given.temporalAddress}": write host:port, without https://.'
      contains(given.webhooksFile, '/')
        ? 'webhooksFile is "${given.webhooksFile}": write the name of a file beside host.json, as webhooks.yaml.'
        : ''
      !empty(given.webhooksFile) && contains(given.disabledFunctions, 'webhook')
        ? 'webhooksFile is set and disabledFunctions has webhook: leave one of them out.'
        : ''
      empty(filter(given.queueFormats, each => !isQueueWithFormat(each)))
        ? ''
        : 'queueFormats is "${join(given.queueFormats, ', ')}": write queue=format or topic/subscription=format for each.'
      empty(filter(
          given.queueFormats,
          each => isQueueWithFormat(each) && !contains(given.queueFormatNames, last(split(each, '='))!)
        ))
        ? ''
        : 'queueFormats is "${join(given.queueFormats, ', ')}": its formats are ${join(given.queueFormatNames, ', ')}.'
      repeats(map(given.queueFormats, each => trim(first(split(each, '='))!)))
        ? 'queueFormats names a queue twice: "${join(given.queueFormats, ', ')}".'
        : ''
      empty(filter(given.trustedTypes, each => !contains(given.ownTypes, trim(each))))
        ? ''
        : 'trustedTypes is "${join(given.trustedTypes, ', ')}": it takes ${join(given.ownTypes, ', ')}.'
      empty(filter(given.disabledFunctions, each => !contains(given.functionNames, each)))
        ? ''
        : 'disabledFunctions is "${join(given.disabledFunctions, ', ')}": it takes ${join(given.functionNames, ', ')}.'
      repeats(given.disabledFunctions)
        ? 'disabledFunctions names a function twice: "${join(given.disabledFunctions, ', ')}".'
        : ''
      given.orderedMessages && contains(given.disabledFunctions, 'messages_queue') && contains(
          given.disabledFunctions,
          'messages_topic'
        )
        ? 'orderedMessages is set and disabledFunctions has messages_queue and messages_topic, so nothing is ordered.'
        : ''
      empty(filter(given.linkKeys, each => !isSecretName(each)))
        ? ''
        : 'linkKeys is "${join(given.linkKeys, ', ')}": write names of secrets in the vault of this installation, as links-first.'
      empty(given.apiTokens) || isSecretName(given.apiTokens)
        ? ''
        : 'apiTokens is "${given.apiTokens}": write the name of a secret in the vault of this installation, as api-tokens.'
      length(given.linkKeys) > 2
        ? 'linkKeys has ${length(given.linkKeys)} secrets: one signs links, and a second one is for the days in which it replaces the other.'
        : ''
      repeats(given.linkKeys) ? 'linkKeys names a secret twice: "${join(given.linkKeys, ', ')}".' : ''
      empty(given.linkKeys) && (!empty('${given.appUrl}${given.apiTokens}${given.oidcIssuer}${given.slackSigning}') || given.appReadyInstances > 0)
        ? 'appUrl, apiTokens, oidcIssuer, slackSigning and appReadyInstances are for the HTTP application, which linkKeys brings.'
        : ''
      empty(given.appUrl) || isHttps(given.appUrl) && !endsWith(given.appUrl, '/')
        ? ''
        : 'appUrl is "${given.appUrl}": write an https address without a slash at its end, as https://tidegate.example.'
      empty(given.oidcIssuer) || isHttps(given.oidcIssuer)
        ? ''
        : 'oidcIssuer is "${given.oidcIssuer}": write an https address, exactly as the tokens have it.'
      !empty(given.oidcIssuer) && empty('${given.oidcAudience}${given.consoleClientId}') || empty(given.oidcIssuer) && !empty(given.oidcAudience)
        ? 'oidcIssuer and oidcAudience need each other, unless consoleClientId is set: a token of the issuer may be for somebody else.'
        : ''
      empty(given.oidcIssuer) && !empty('${given.oidcRole}${given.oidcName}')
        ? 'oidcRole and oidcName are about tokens of oidcIssuer, which is empty.'
        : ''
      !empty(given.consoleClientId) && empty(given.oidcIssuer)
        ? 'consoleClientId is a client of oidcIssuer, which is empty.'
        : ''
      !empty(given.consoleCredential) && empty(given.consoleClientId)
        ? 'consoleCredential is of consoleClientId, which is empty.'
        : ''
      empty(filter([given.consoleCredential, given.slackSigning], each => !empty(each) && !isSecretName(each)))
        ? ''
        : 'consoleCredential and slackSigning are "${given.consoleCredential}" and "${given.slackSigning}": write names of secrets in the vault of this installation.'
      !empty(given.slackTeam) && empty(given.slackSigning)
        ? 'slackTeam is about requests that are signed with slackSigning, which is empty.'
        : ''
    ],
    problem => !empty(problem)
  )
