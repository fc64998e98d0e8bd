#!/bin/sh
# Checks before anything is made what templates cannot: the credentials for Temporal with
# TEMPORAL_AUTH, the programs, the subscription's resource providers, and the region, AZURE_LOCATION,
# with zones if ZONE_REDUNDANT is true. azd runs it before it provisions.
set -u

faults=0
fault() {
  echo "error: $1" >&2
  faults=1
}

location=$(printf %s "${AZURE_LOCATION:-}" | tr -d ' ' | tr '[:upper:]' '[:lower:]')
[ -n "$location" ] || fault "AZURE_LOCATION is not set: name the region, as AZURE_LOCATION=westeurope."

# As Bicep's bool() reads it.
zones=$(printf %s "${ZONE_REDUNDANT:-false}" | tr '[:upper:]' '[:lower:]' | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
case $zones in
true | false) ;;
*) fault "ZONE_REDUNDANT is \"$ZONE_REDUNDANT\": write true or false." ;;
esac

auth=${TEMPORAL_AUTH:-apiKey}
if [ -n "${TEMPORAL_API_KEY:-}" ] && [ "$auth" != apiKey ]; then
  fault "TEMPORAL_API_KEY is set and TEMPORAL_AUTH is $auth: write apiKey, or leave the key out."
fi
if [ -n "${TEMPORAL_CLIENT_CERTIFICATE:-}${TEMPORAL_CLIENT_KEY:-}" ] && [ "$auth" != mtls ]; then
  fault "TEMPORAL_CLIENT_CERTIFICATE or TEMPORAL_CLIENT_KEY is set and TEMPORAL_AUTH is $auth: write mtls, or leave both out."
fi
if [ -n "${TEMPORAL_CLIENT_CERTIFICATE:+x}" ] && [ -z "${TEMPORAL_CLIENT_KEY:-}" ]; then
  fault "TEMPORAL_CLIENT_CERTIFICATE is set without TEMPORAL_CLIENT_KEY: give both, or neither to keep what the vault has."
fi
if [ -n "${TEMPORAL_CLIENT_KEY:+x}" ] && [ -z "${TEMPORAL_CLIENT_CERTIFICATE:-}" ]; then
  fault "TEMPORAL_CLIENT_KEY is set without TEMPORAL_CLIENT_CERTIFICATE: give both, or neither to keep what the vault has."
fi

if ! command -v az >/dev/null; then
  fault "Azure CLI (az) was not found: https://learn.microsoft.com/cli/azure/install-azure-cli"
  exit 1
fi
if ! az account show --output none; then
  fault "Azure CLI is not signed in: run \`az login\`, and \`az account set\` for the subscription."
  exit 1
fi

if [ -n "$location" ]; then
  if [ "$zones" = true ]; then
    kind="Flex Consumption with zone redundancy"
    regions=$(az functionapp list-flexconsumption-locations --zone-redundant true --query '[].name' --output tsv)
  else
    kind="Flex Consumption"
    regions=$(az functionapp list-flexconsumption-locations --query '[].name' --output tsv)
  fi || fault "Azure did not list the regions with $kind."
  if [ -n "$regions" ] && ! printf '%s\n' "$regions" | tr -d ' ' | tr '[:upper:]' '[:lower:]' | grep -qx "$location"; then
    fault "$location has no $kind. Regions that have: $(printf '%s ' $regions)"
  fi
fi

registered=$(az provider list --query "[?registrationState=='Registered'].namespace" --output tsv) ||
  fault "Azure did not list the subscription's resource providers."
for provider in Microsoft.App Microsoft.ContainerRegistry Microsoft.EventGrid Microsoft.Insights \
  Microsoft.KeyVault Microsoft.ManagedIdentity Microsoft.Network Microsoft.OperationalInsights \
  Microsoft.ServiceBus Microsoft.Storage Microsoft.Web; do
  printf '%s\n' "$registered" | grep -qix "$provider" ||
    fault "$provider is not registered: run \`az provider register --wait --namespace $provider\`."
done

exit $faults
