#include <fmt/format.h>

#include <optional>

#include "base/text.h"
#include "deploy/answers.h"

namespace pilvi::cli {
namespace {

constexpr std::size_t longest_line = 16384;
constexpr std::size_t longest_value = 65536;  // after its variables were put in
constexpr std::size_t most_lines = 20'000;

struct Variable {
    std::string_view name;    // one * stands for anything
    std::string_view answer;  // "": needs nothing, or is named as not mapped
    std::string_view help;    // of what needs nothing; "" with answer "": it will not be
};

// Source: DevStack's documentation of local.conf.
constexpr Variable variables[] = {
    {"ADMIN_PASSWORD", "CONFIG_KEYSTONE_ADMIN_PW", ""},
    {"REGION_NAME", "CONFIG_KEYSTONE_REGION", ""},
    {"LIBVIRT_TYPE", "CONFIG_NOVA_LIBVIRT_VIRT_TYPE", ""},
    {"TENANT_VLAN_RANGE", "", ""},
    {"Q_ML2_TENANT_NETWORK_TYPE", "CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", ""},
    {"ML2_VLAN_RANGES", "CONFIG_NEUTRON_ML2_VLAN_RANGES", ""},
    {"OVS_BRIDGE_MAPPINGS", "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", ""},
    {"HOST_IP", "", "is this machine"},
    {"SERVICE_HOST", "", "is the controller"},
    {"MULTI_HOST", "", "every machine is told its roles"},
    {"DATABASE_PASSWORD", "", "every service has its own embedded database, without a password"},
    {"MYSQL_*", "", "every service has its own embedded database"},
    {"DATABASE_*", "", "every service has its own embedded database"},
    {"RABBIT_*", "", "there is no message broker"},
    {"SERVICE_PASSWORD", "", "the services' users get random passwords"},
    {"SERVICE_TOKEN", "", "there is no service token"},
    {"SERVICE_TIMEOUT", "", "about DevStack itself"},
    {"DEST", "", "about DevStack's own tree"},
    {"DATA_DIR", "", "data is below /var/lib/pilvi"},
    {"LOGFILE", "", "logs are in the journal"},
    {"LOGDAYS", "", "logs are in the journal"},
    {"LOG_COLOR", "", "logs are in the journal"},
    {"VERBOSE", "", "about DevStack itself"},
    {"SCREEN_LOGDIR", "", "logs are in the journal"},
    {"RECLONE", "", "about DevStack's own tree"},
    {"PIP_*", "", "about DevStack's own tree"},
    {"GIT_BASE", "", "about DevStack's own tree"},
    {"*_BRANCH", "", "about DevStack's own tree"},
    {"*_REPO", "", "about DevStack's own tree"},
    {"ENABLED_SERVICES", "", "every machine is told its roles"},
    {"VIRT_DRIVER", "", "libvirt"},
    {"Q_AGENT", "", "Open vSwitch, by an agent of its own"},
    {"Q_PLUGIN", "", "the network service has one"},
};

bool matches(std::string_view pattern, std::string_view name) {
    const std::size_t star = pattern.find('*');
    if (star == pattern.npos) return pattern == name;
    return name.size() + 1 >= pattern.size() && name.starts_with(pattern.substr(0, star)) && name.ends_with(pattern.substr(star + 1));
}

bool name_char(char c) { return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_name(std::string_view text) {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    for (const char c : text)
        if (!name_char(c)) return false;
    return true;
}

using Set = std::map<std::string, std::string>;

// The value of one word of shell as far as it is data; nullopt with `why`.
std::optional<std::string> value_of(std::string_view text, const Set& set, std::string& why) {
    std::string out;
    char quote = 0;
    const auto refuse = [&](std::string_view reason) -> std::optional<std::string> {
        why = reason;
        return std::nullopt;
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (out.size() > longest_value) return refuse("the value is too long");
        if (quote == '\'') {
            if (c == '\'') quote = 0;
            else out += c;
        } else if (c == '"') {
            quote = quote ? 0 : '"';
        } else if (c == '\'' && !quote) {
            quote = '\'';
        } else if (c == '`') {
            return refuse("a command in a value is shell, not data");
        } else if (c == '\\') {
            if (++i == text.size()) return refuse("a value that goes on in the next line is not understood");
            if (quote && text[i] != '"' && text[i] != '\\' && text[i] != '$' && text[i] != '`') out += '\\';
            out += text[i];
        } else if (c == '$') {
            const bool braces = i + 1 < text.size() && text[i + 1] == '{';
            std::size_t from = i + (braces ? 2 : 1), to = from;
            while (to < text.size() && name_char(text[to])) ++to;
            const std::string name(text.substr(from, to - from));
            if (!is_name(name) || (braces && (to >= text.size() || text[to] != '}'))) return refuse("of $, only $NAME and ${NAME} are data");
            const auto found = set.find(name);
            if (found == set.end()) return refuse(fmt::format("{} was not set before", name));
            out += found->second;
            i = braces ? to : to - 1;
        } else if (!quote && (c == ' ' || c == '\t')) {
            const std::string_view rest = trim(text.substr(i));
            if (rest.empty() || rest.front() == '#') break;
            return refuse("NAME=VALUE COMMAND is shell, not data: a value with spaces stands in quotes");
        } else if (!quote && std::string_view(";|&<>()").find(c) != std::string_view::npos) {
            return refuse("is shell, not data");
        } else {
            out += c;
        }
    }
    if (quote) return refuse("a quote is not closed");
    return out;
}

class Reader {
public:
    void line(std::string_view text, int number) {
        number_ = number;
        if (text.starts_with("[[")) return section(text);
        if (text.empty() || text.front() == '#' || !local_) return;
        if (text.starts_with("export ")) text = trim(text.substr(7));
        const std::size_t equals = text.find('=');
        const std::string name(text.substr(0, equals));
        if (equals != std::string_view::npos && is_name(name)) return assign(name, text.substr(equals + 1));
        for (const std::string_view command : {"enable_service", "disable_service", "enable_plugin"})
            if (text.starts_with(command) && text.size() > command.size() && (text[command.size()] == ' ' || text[command.size()] == '\t'))
                return service(command, std::string(trim(text.substr(command.size()))));
        find(AnswerFinding::Level::error, "", "is shell, not data: NAME=VALUE, enable_service, disable_service and enable_plugin are read");
    }

    Answers done() {
        const auto value = [&](const char* name) {
            const auto found = set_.find(name);
            return found == set_.end() ? std::string() : found->second;
        };
        number_ = 0;
        for (const auto& [name, text] : set_) conclude(name, text);
        const std::string host = value("HOST_IP"), service = value("SERVICE_HOST");
        if (!seen_) find(AnswerFinding::Level::error, "", "there is no section [[local|localrc]]");
        // On a machine that names another one as its services' host, DevStack runs servers only.
        if (!service.empty() && !host.empty() && service != host) {
            out_.values["CONFIG_CONTROLLER_HOST"] = service;
            out_.values["CONFIG_COMPUTE_HOSTS"] = host;
            find(AnswerFinding::Level::note, "SERVICE_HOST", fmt::format("{} is the controller, {} runs servers", service, host));
        } else if (const std::string all = host.empty() ? service : host; !all.empty()) {
            out_.values["CONFIG_CONTROLLER_HOST"] = out_.values["CONFIG_COMPUTE_HOSTS"] = all;
        }
        if (const std::string interface = value("PUBLIC_INTERFACE"); !interface.empty()) {
            const std::string bridge = value("PUBLIC_BRIDGE");
            out_.values["CONFIG_NEUTRON_OVS_BRIDGE_IFACES"] = (bridge.empty() ? "br-ex" : bridge) + ":" + interface;
        }
        return std::move(out_);
    }

private:
    void find(AnswerFinding::Level level, std::string key, std::string text) {
        out_.findings.push_back({level, number_, std::move(key), std::move(text)});
    }

    void section(std::string_view text) {
        local_ = text == "[[local|localrc]]";
        seen_ = seen_ || local_;
        if (!local_) find(AnswerFinding::Level::warning, std::string(text), "configures another program's files: nothing comes of it");
    }

    void assign(const std::string& name, std::string_view text) {
        std::string why;
        const auto value = value_of(trim(text), set_, why);
        if (!value) return find(AnswerFinding::Level::error, name, why);
        set_[name] = *value;  // the last one counts, as in shell
        lines_[name] = number_;
    }

    void service(std::string_view command, const std::string& names) {
        if (command == "disable_service") return find(AnswerFinding::Level::note, names, "is not left out: every machine runs what its roles say");
        if (command == "enable_plugin")
            return find(AnswerFinding::Level::warning, names.substr(0, names.find(' ')), "is a plugin of DevStack: nothing comes of it");
        static constexpr std::string_view there[] = {"key", "n-",     "placement", "g-",         "q-",    "neutron", "ovn",
                                                     "ovs", "rabbit", "mysql",     "postgresql", "etcd3", "dstat"};
        for (const std::string& name : split(names, ' ', false)) {
            bool known = false;
            for (const std::string_view prefix : there) known = known || name.starts_with(prefix);
            if (known) find(AnswerFinding::Level::note, name, "is part of the roles, or needs nothing");
            else find(AnswerFinding::Level::warning, name, "will not be there: there is no such service");
        }
    }

    void conclude(const std::string& name, const std::string& value) {
        number_ = lines_[name];
        if (name == "PUBLIC_INTERFACE" || name == "PUBLIC_BRIDGE") return;
        for (const Variable& variable : variables) {
            if (!matches(variable.name, name)) continue;
            if (!variable.answer.empty()) out_.values[std::string(variable.answer)] = value;
            else if (!variable.help.empty()) find(AnswerFinding::Level::note, name, fmt::format("needs nothing: {}", variable.help));
            else find(AnswerFinding::Level::warning, name, "is not mapped: nothing comes of it");
            return;
        }
        find(AnswerFinding::Level::warning, name, "is not known here: nothing comes of it, unless another value refers to it");
    }

    Answers out_;
    Set set_;
    std::map<std::string, int> lines_;
    bool local_ = false, seen_ = false;
    int number_ = 0;
};

}  // namespace

Answers read_localconf(std::string_view text) {
    Reader reader;
    int number = 0;
    for (const std::string& raw : split(text, '\n')) {
        if (static_cast<std::size_t>(++number) > most_lines || raw.size() > longest_line || !is_utf8(raw)) {
            Answers out;
            out.findings.push_back({AnswerFinding::Level::error, number, "", "the file or the line is too long, or not UTF-8"});
            return out;
        }
        reader.line(trim(raw), number);
    }
    return reader.done();
}

}  // namespace pilvi::cli
