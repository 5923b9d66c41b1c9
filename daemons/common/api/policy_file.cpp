// policy.yaml: overrides of a service's default rules.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "api/policy_check.h"
#include "base/error.h"
#include "base/text.h"

namespace pilvi::api {

namespace {

struct Entry {
    int line;
    std::string check;
};

class PolicyFile {
public:
    explicit PolicyFile(const std::string& path) : path_(path) {
        YAML::Node root;
        try {
            root = YAML::LoadFile(path);
        } catch (const YAML::ParserException& failed) {
            fault(failed.mark.line + 1, failed.msg);
            return;
        } catch (const YAML::Exception& failed) {
            throw Error(Errc::bad_request, path + ": " + failed.what());
        }
        if (root.IsNull()) return;
        if (!root.IsMap()) fault(1, "must be a mapping of rule names to checks");
        else
            for (const auto& entry : root) add(entry.first, entry.second);
    }

    void fault(int line, const std::string& what) { faults.emplace_back(line, place(line) + what); }
    std::string place(int line) const { return path_ + ":" + std::to_string(line) + ": "; }
    // Throws Error(bad_request) with everything that is wrong, by line.
    void refuse_faults() {
        if (faults.empty()) return;
        std::sort(faults.begin(), faults.end());
        std::vector<std::string> lines;
        for (auto& [line, text] : faults) lines.push_back(std::move(text));
        throw Error(Errc::bad_request, join(lines, "\n"));
    }

    std::map<std::string, Entry> entries;
    std::vector<std::pair<int, std::string>> faults;

private:
    void add(const YAML::Node& name, const YAML::Node& check) {
        const int line = name.Mark().line + 1;
        if (!name.IsScalar()) return fault(line, "a rule's name must be text");
        const auto text = text_of(check);
        if (!text) return fault(line, name.Scalar() + ": the check must be text, or a list of lists of checks");
        try {
            parse_check(*text);
        } catch (const Error& failed) {
            return fault(line, name.Scalar() + ": " + failed.message());
        }
        if (const auto [at, added] = entries.emplace(name.Scalar(), Entry{line, *text}); !added)
            fault(line, name.Scalar() + ": is there already, in line " + std::to_string(at->second.line));
    }

    // The list form: any of the outer items, all of the items of an inner one. An empty list allows, as an empty text does.
    static std::optional<std::string> text_of(const YAML::Node& check) {
        if (check.IsNull()) return "";
        if (check.IsScalar()) return check.Scalar();
        if (!check.IsSequence()) return std::nullopt;
        std::vector<std::string> any;
        for (const YAML::Node& item : check) {
            std::vector<std::string> all;
            if (item.IsScalar()) all.push_back(item.Scalar());
            else if (!item.IsSequence()) return std::nullopt;
            else
                for (const YAML::Node& part : item) {
                    if (!part.IsScalar()) return std::nullopt;
                    all.push_back(part.Scalar());
                }
            if (!all.empty()) any.push_back("(" + join(all, " and ") + ")");
        }
        return join(any, " or ");
    }
    std::string path_;
};

// A rule that leads back to itself, seen from `name`.
bool in_circle(const std::map<std::string, Policy::Rule, std::less<>>& rules, const std::string& name) {
    std::set<std::string> seen;
    std::vector<std::string> next{name};
    while (!next.empty()) {
        const std::string at = std::move(next.back());
        next.pop_back();
        const auto found = rules.find(at);
        if (found == rules.end()) continue;
        std::vector<std::string> references;
        collect_references(*found->second.check, references);
        for (std::string& reference : references) {
            if (reference == name) return true;
            if (seen.insert(reference).second) next.push_back(std::move(reference));
        }
    }
    return false;
}

}  // namespace

std::vector<std::string> Policy::load_file(const std::string& path) {
    PolicyFile file(path);
    file.refuse_faults();
    Policy made = *this;
    std::set<std::string> referred;
    for (const auto& [name, entry] : file.entries) {
        made.add(name, entry.check);
        if (const auto renamed = renamed_.find(name); renamed != renamed_.end() && !file.entries.contains(renamed->second))
            made.add(renamed->second, entry.check);
        std::vector<std::string> references;
        collect_references(*made.rules_.at(name).check, references);
        referred.insert(references.begin(), references.end());
    }
    for (const auto& [name, entry] : file.entries) {
        std::vector<std::string> references;
        collect_references(*made.rules_.at(name).check, references);
        for (const std::string& reference : references)
            if (!made.rules_.contains(reference)) file.fault(entry.line, name + ": refers to rule:" + reference + ", which nobody defines");
        if (in_circle(made.rules_, name)) file.fault(entry.line, name + ": refers to itself, directly or through other rules");
    }
    file.refuse_faults();
    std::vector<std::string> suspicious;
    for (const auto& [name, entry] : file.entries)
        if (!rules_.contains(name) && !renamed_.contains(name) && !referred.contains(name) && name != "default")
            suspicious.push_back(file.place(entry.line) + name + ": this service has no operation of this name, and no rule refers to it");
    *this = std::move(made);
    return suspicious;
}

}  // namespace pilvi::api
