# Flattens one JSON document: a line "path<TAB>value" for each scalar, the path's parts joined by "/".
# Escapes in strings are decoded, except that a newline stays "\n" and a code point above 127 is dropped.
{ text = text $0 "\n" }

function skip() { while (substr(text, at, 1) ~ /[ \t\r\n]/) at++ }

function string(    out, c, code) {
  out = ""
  for (at++; at <= length(text); at++) {
    c = substr(text, at, 1)
    if (c == "\"") { at++; return out }
    if (c == "\\") {
      c = substr(text, ++at, 1)
      if (c == "u") {
        code = hex(substr(text, at + 1, 4)); at += 4
        c = code > 31 && code < 128 ? sprintf("%c", code) : ""
      } else if (c == "n") c = "\\n"
      else if (c ~ /[tbfr]/) c = " "
    }
    out = out c
  }
  return out
}

function hex(digits,    i, n) {
  for (i = 1; i <= length(digits); i++) n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
  return n
}

function value(path,    c, key, n, start) {
  skip()
  c = substr(text, at, 1)
  if (c == "{" || c == "[") {
    at++
    n = 0
    while (at <= length(text)) {
      skip()
      if (substr(text, at, 1) ~ /[]}]/) { at++; return }
      if (substr(text, at, 1) == ",") { at++; continue }
      if (c == "{") { key = string(); skip(); at++ } else key = n++
      value(path == "" ? key : path "/" key)
    }
  } else if (c == "\"") {
    print path "\t" string()
  } else {
    start = at
    while (at <= length(text) && substr(text, at, 1) !~ /[],} \t\r\n]/) at++
    print path "\t" substr(text, start, at - start)
  }
}

END { at = 1; value("") }
