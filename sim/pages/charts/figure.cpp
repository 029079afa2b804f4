#include "pages/charts/figure.h"

#include <algorithm>
#include <cmath>

#include "results/summary.h"

namespace moesim::pages {

std::string_view fill(Tone tone) {
  switch (tone) {
    case Tone::answer:
      return "fa";
    case Tone::part:
      return "fp";
    case Tone::light:
      return "fl";
    case Tone::rest:
      return "fr";
    case Tone::faint:
      return "ff";
    case Tone::alert:
      return "fx";
    case Tone::ink:
      return "fi";
    case Tone::kind1:
      return "f1";
    case Tone::kind2:
      return "f2";
    case Tone::kind3:
      return "f3";
    case Tone::kind4:
      return "f4";
  }
  return "";
}

Cell cell(std::string_view text) { return {std::string(text), std::nullopt}; }
Cell cell(std::optional<double> value, std::string_view unit) {
  if (!value || !std::isfinite(*value)) return {};
  return {results::pretty(*value, unit), value};
}

std::size_t data_of(const Figure& f) {
  if (f.mark_is == MarkIs::row) return f.table.rows.size();
  std::size_t out = 0;
  for (const std::vector<Cell>& row : f.table.rows)
    out += std::size_t(std::count_if(row.begin() + 1, row.end(), [](const Cell& c) { return !c.text.empty(); }));
  return out;
}

namespace {
/// Text in which no figure is parted from its unit.
std::string kept_together(std::string_view text) {
  constexpr std::string_view kUnits[] = {"%", "ms", "us", "s", "min", "h", "GB", "MB", "kB", "TB"};
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i + 1);
    const std::string_view word = rest.substr(0, rest.find_first_of(" ,;:)"));
    const bool behind_figure = i > 0 && text[i] == ' ' && text[i - 1] >= '0' && text[i - 1] <= '9';
    out += behind_figure && std::ranges::find(kUnits, word) != std::end(kUnits) ? "\u00a0" : std::string(1, text[i]);
  }
  return out;
}
/// Of a column that holds numbers alone.
std::vector<bool> numeric_columns(const DataTable& t) {
  std::vector<bool> out(t.columns.size(), true);
  for (const std::vector<Cell>& row : t.rows)
    for (std::size_t c = 0; c < row.size() && c < out.size(); ++c)
      if (!row[c].value && !row[c].text.empty()) out[c] = false;
  return out;
}
}  // namespace

constexpr std::size_t kManyColumns = 9;  // more stand closer together
constexpr std::size_t kMany = 100;       // rows of a part: of more, the browser lays out the first part alone at once

Html table_html(const DataTable& t, std::string_view id) {
  const std::vector<bool> number = numeric_columns(t);
  Html head, body;
  for (std::size_t c = 0; c < t.columns.size(); ++c)
    head += html("<th scope=\"col\"{}><button type=\"button\">{}</button></th>",
                 number[c] ? html("") : html(" class=\"l\""), t.columns[c]);
  for (std::size_t r = 0; r < t.rows.size(); ++r) {
    const std::vector<Cell>& row = t.rows[r];
    if (r > 0 && r % kMany == 0) body += html("</tbody><tbody hidden>");
    body += html("<tr>");
    for (std::size_t c = 0; c < row.size(); ++c) {
      const Html value = row[c].value ? html(" data-v=\"{}\"", fmt::format("{:.9g}", *row[c].value)) : html("");
      if (c == 0)
        body += html("<th scope=\"row\"{}>{}</th>", value, row[c].text);
      else
        body += html("<td{}{}>{}</td>", number[c] ? html("") : html(" class=\"l\""), value, kept_together(row[c].text));
    }
    body += html("</tr>");
  }
  return html(
      "<div class=\"tbl{}{}\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table "
      "data-sort{}>{}<thead><tr>{}</tr>"
      "</thead><tbody>{}</tbody></table></div>",
      t.rows.size() > kMany ? " many" : "", t.columns.size() > kManyColumns ? " dense" : "",
      id.empty() ? html("") : html(" id=\"{}\"", id),
      t.caption.empty() ? html("") : html("<caption>{}</caption>", t.caption), head, body);
}

Html key_html(const std::vector<KeyEntry>& entries) {
  Html out;
  for (const KeyEntry& e : entries)
    out += html(
        "<span class=\"k\"><svg class=\"sw\" width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" "
        "height=\"12\" class=\"{}\"/></svg>{}</span> ",
        e.look, e.name);
  return html("<p class=\"note key\">{}</p>", out);
}

std::size_t letters(std::string_view text) {
  return std::size_t(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}
}  // namespace moesim::pages
