// What several templates check in their parameters.

@export()
@description('Whether a text has characters of an alphabet only, and at least one.')
func madeOf(text string, alphabet string) bool =>
  !empty(text) && empty(filter(range(0, length(text)), i => !contains(alphabet, substring(text, i, 1))))

@export()
@description('Whether a text is host:port.')
func isAddress(text string) bool =>
  length(split(text, ':')) > 1 && !contains(text, '/') && !startsWith(text, ':') && madeOf(
    last(split(text, ':'))!,
    '0123456789'
  )
