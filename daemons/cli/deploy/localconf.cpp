#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "deploy/localconf_keys.h"

namespace pilvi::cli {
namespace {

constexpr std::size_t longest_line = 16384;
constexpr std::size_t longest_value = 65536;  // after its variables were put in
constexpr std::size_t most_lines = 20'000;

// What DevStack has set before it reads the file: a value may refer to it.
const std::map<std::string, std::string>& set_before() {
    static const std::map<std::string, std::string> out{
        {"DEST", "/opt/stack"}, {"DATA_DIR", "/opt/stack/data"}, {"TOP_DIR", "/opt/stack/devstack"}, {"GIT_BASE", "https://opendev.org"}};
    return out;
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
        const bool more = equals != std::string_view::npos && equals > 0 && text[equals - 1] == '+';
        const std::string name(text.substr(0, more ? equals - 1 : equals));
        if (equals != std::string_view::npos && is_name(name)) return assign(name, text.substr(equals + 1), more);
        if (text == "disable_all_services") return service("disable_service", "disable_all_services");
        for (const std::string_view command : {"enable_service", "disable_service", "enable_plugin"})
            if (text.starts_with(command) && text.size() > command.size() && (text[command.size()] == ' ' || text[command.size()] == '\t'))
                return service(command, std::string(trim(text.substr(command.size()))));
        find(AnswerFinding::Level::error, "",
             "is shell, not data: NAME=VALUE, NAME+=VALUE, enable_service, disable_service, disable_all_services and enable_plugin are read");
    }

    Answers done() {
        number_ = 0;
        if (!seen_) find(AnswerFinding::Level::error, "", "there is no section [[local|localrc]]");
        for (const auto& [name, number] : lines_) conclude(name, set_.at(name), number);
        number_ = 0;
        machines();
        networks();
        image();
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

    std::string value(const char* name) const { return lines_.contains(name) ? set_.at(name) : std::string(); }
    void answer(const char* key, std::string text) {
        if (!text.empty()) out_.values[key] = std::move(text);
    }

    // On a machine that names another one as its services' host, DevStack runs servers only.
    void machines() {
        const std::string host = value("HOST_IP"), services = value("SERVICE_HOST");
        if (!services.empty() && !host.empty() && services != host) {
            answer("CONFIG_CONTROLLER_HOST", services);
            answer("CONFIG_COMPUTE_HOSTS", host);
            find(AnswerFinding::Level::note, "SERVICE_HOST", fmt::format("{} is the controller, {} runs servers", services, host));
            return;
        }
        const std::string all = host.empty() ? services : host;
        answer("CONFIG_CONTROLLER_HOST", all);
        answer("CONFIG_COMPUTE_HOSTS", all);
        answer("CONFIG_PROVISION_DEMO", "y");
    }

    void networks() {
        const std::string bridge = value("PUBLIC_BRIDGE").empty() ? "br-ex" : value("PUBLIC_BRIDGE"), physical = value("PHYSICAL_NETWORK");
        if (!value("PUBLIC_INTERFACE").empty()) answer("CONFIG_NEUTRON_OVS_BRIDGE_IFACES", bridge + ":" + value("PUBLIC_INTERFACE"));
        else if (lines_.contains("PUBLIC_BRIDGE")) answer("CONFIG_NEUTRON_L3_EXT_BRIDGE", bridge);
        if (!physical.empty() && value("OVS_BRIDGE_MAPPINGS").empty() && !value("OVS_PHYSICAL_BRIDGE").empty())
            answer("CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", physical + ":" + value("OVS_PHYSICAL_BRIDGE"));
        if (lower(value("ENABLE_TENANT_VLANS")) == "true") {
            out_.values.try_emplace("CONFIG_NEUTRON_ML2_TENANT_NETWORK_TYPES", "vlan");
            if (!physical.empty() && !value("TENANT_VLAN_RANGE").empty())
                out_.values.try_emplace("CONFIG_NEUTRON_ML2_VLAN_RANGES", physical + ":" + value("TENANT_VLAN_RANGE"));
        } else if (lines_.contains("TENANT_VLAN_RANGE")) {
            find(AnswerFinding::Level::warning, "TENANT_VLAN_RANGE", "says nothing without ENABLE_TENANT_VLANS=True");
        }
        if (const std::string pool = value("Q_FLOATING_ALLOCATION_POOL"); !pool.empty())
            answer("CONFIG_PROVISION_DEMO_ALLOCATION_POOLS", "[\"" + pool + "\"]");
    }

    // As in DevStack, an image has the name of its file and the format of that name's end.
    void image() {
        const std::vector<std::string> images = split(value("IMAGE_URLS"), ',', false);
        if (images.empty()) return;
        if (images.size() > 1) find(AnswerFinding::Level::warning, "IMAGE_URLS", "names several images: only the first is taken");
        const std::string url(trim(images.front())), path = url.substr(0, url.find_first_of("?#"));
        const std::string name = path.substr(path.rfind('/') + 1);
        for (const std::string_view end : packed_images)
            if (name.ends_with(end))
                return find(AnswerFinding::Level::warning, "IMAGE_URLS", name + " is packed, and not taken: name one that is not, or unpack it");
        answer("CONFIG_PROVISION_IMAGE_URL", url);
        for (const auto& [end, format] : image_formats) {
            if (!name.ends_with(end) || name.size() == end.size()) continue;
            answer("CONFIG_PROVISION_IMAGE_NAME", name.substr(0, name.size() - end.size()));
            answer("CONFIG_PROVISION_IMAGE_FORMAT", std::string(format));
        }
    }

    void assign(const std::string& name, std::string_view text, bool more) {
        std::string why;
        const auto value = value_of(trim(text), set_, why);
        if (!value) return find(AnswerFinding::Level::error, name, why);
        // The last one counts, as in shell.
        std::string& now = set_[name];
        now = more ? now + *value : *value;
        lines_[name] = number_;
        if (now.size() > longest_value) {
            now.clear();
            find(AnswerFinding::Level::error, name, "the value is too long");
        }
        if (name == "ENABLED_SERVICES") {
            std::string names = *value;
            for (char& c : names)
                if (c == ',') c = ' ';
            service("enable_service", names);
        }
    }

    void service(std::string_view command, const std::string& names) {
        if (command == "disable_service") return find(AnswerFinding::Level::note, names, "is not left out: every machine runs what its roles say");
        if (command == "enable_plugin")
            return find(AnswerFinding::Level::warning, names.substr(0, names.find(' ')), "is a plugin of DevStack: nothing comes of it");
        for (const std::string& name : split(names, ' ', false)) {
            // A list may take one away.
            if (name.front() == '-') find(AnswerFinding::Level::note, name, "is not left out: every machine runs what its roles say");
            else if (std::ranges::find(devstack_services, name) != std::end(devstack_services))
                find(AnswerFinding::Level::note, name, "is part of the roles, or needs nothing");
            else find(AnswerFinding::Level::warning, name, "will not be there: there is no such service");
        }
    }

    void conclude(const std::string& name, const std::string& text, int number) {
        for (const AnswerKey& key : localconf_keys) {
            if (!names(key.name, name)) continue;
            if (auto finding = judge(key, name, text, number)) out_.findings.push_back(std::move(*finding));
            else if (!key.answer.empty()) out_.values[std::string(key.answer)] = text;
            return;
        }
        number_ = number;
        find(AnswerFinding::Level::warning, name, "is not known here: nothing comes of it, unless another value refers to it");
    }

    Answers out_;
    Set set_ = set_before();
    std::map<std::string, int> lines_;  // of what the file itself sets
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
