// Tidegate's own alerts; docs/operate.md says what to do about each. Those of one worker are in
// worker.bicep.

import { Names, Tags } from 'names.bicep'

param location string
param tags Tags
param names Names

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = { name: names.workspace }
resource operators 'Microsoft.Insights/actionGroups@2023-01-01' existing = { name: names.actionGroup }
resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = { name: names.bus }
resource uploads 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = { name: names.uploads }

var busMetrics = [
  {
    name: 'dead-letters'
    description: 'Messages were dead-lettered: they were too old, or delivered too often. Fix the cause, then resubmit them.'
    severity: 1
    metric: 'DeadletteredMessages'
    threshold: 0
    window: 'PT5M'
  }
  {
    name: 'backlog'
    description: 'A queue\'s backlog does not shrink: is Temporal unavailable, or do the listeners fail?'
    severity: 2
    metric: 'ActiveMessages'
    threshold: 1000
    window: 'PT15M'
  }
]

resource busAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in busMetrics: {
    name: '${alert.name}-${names.token}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [bus.id]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.name
            metricNamespace: 'Microsoft.ServiceBus/namespaces'
            metricName: alert.metric
            timeAggregation: 'Average'
            operator: 'GreaterThan'
            threshold: alert.threshold
            dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
          }
        ]
      }
      actions: [{ actionGroupId: operators.id }]
    }
  }
]

var topicMetrics = [
  {
    name: 'uploads-undelivered'
    description: 'Event Grid could not deliver uploads and left their events in the container undelivered.'
    metric: 'DeadLetteredCount'
  }
  {
    name: 'uploads-dropped'
    description: 'Event Grid dropped events of uploads: find the blobs of that time that have no receipt, and upload them again.'
    metric: 'DroppedEventCount'
  }
]

resource topicAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in topicMetrics: {
    name: '${alert.name}-${names.token}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: 1
      enabled: true
      scopes: [uploads.id]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT5M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.name
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: alert.metric
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      actions: [{ actionGroupId: operators.id }]
    }
  }
]

var queries = [
  {
    name: 'quarantined'
    description: 'Events were quarantined: `tidegate quarantine list` names them and the reasons.'
    severity: 2
    window: 'PT15M'
    query: '''
AppMetrics
| where Name == "Quarantined" and Sum > 0
| project TimeGenerated, Count = Sum
'''
  }
  {
    name: 'quarantined-by-workers'
    description: 'A worker quarantined events: `tidegate quarantine list` names them and the reasons.'
    severity: 2
    window: 'PT15M'
    query: '''
ContainerAppConsoleLogs
| where Log contains "given up (" and Log contains "kept as"
'''
  }
  {
    name: 'pages-undelivered'
    description: 'A page or follow-up reached nobody: the incident\'s timeline says which and why.'
    severity: 1
    window: 'PT5M'
    query: '''
ContainerAppConsoleLogs
| where Log contains "WARNING"
| where (Log contains "tidegate: Page to " and Log contains ") failed, ") or Log contains "follow-up not delivered"
'''
  }
  {
    // In an outage even a single message is retried at least once a minute.
    name: 'retried'
    description: 'Events are given back and retried: Temporal or the quarantine is unavailable, and some or all events are not accepted.'
    severity: 1
    window: 'PT15M'
    query: '''
AppMetrics
| where Name == "Retried" and Sum > 0
| summarize Minutes = dcount(bin(TimeGenerated, 1m))
| where Minutes >= 3
'''
  }
  {
    name: 'refused'
    description: 'Many webhook requests were refused: a secret was changed on one side only, or somebody is forging requests.'
    severity: 2
    window: 'PT5M'
    query: '''
AppMetrics
| where Name == "Refused"
| summarize Requests = sum(Sum)
| where Requests > 20
'''
  }
  {
    // Without retries, which `retried` counts, and refused requests. The host wraps what a function
    // raises and keeps its name in the text; the exception may be ingested after its request.
    name: 'function-failures'
    description: 'Listeners fail for a reason other than an outage of Temporal: messages are redelivered until they become dead letters.'
    severity: 2
    window: 'PT15M'
    query: '''
AppRequests
| where Success == false and ResultCode !startswith "4" and ResultCode != "503"
| where TimeGenerated < ago(2m)
| join kind=leftanti (
    AppExceptions
    | where strcat(ExceptionType, " ", OuterMessage, " ", InnermostMessage, " ", tostring(Details)) contains "NotAccepted"
  ) on OperationId
| project TimeGenerated, What = Name
| union (
    AppTraces
    | where Message == "request refused" and toint(Properties.status) == 503
    | where tostring(Properties.code) != "NotAccepted"
    | project TimeGenerated, What = tostring(Properties.code)
  )
'''
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queries: {
    name: '${alert.name}-${names.token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Tidegate: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [workspace.id]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      // The tables do not exist before their first row.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: [operators.id] }
    }
  }
]
