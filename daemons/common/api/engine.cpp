#include "api/engine.h"

#include "api/query.h"
#include "api/rows.h"
#include "api/validate.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"

namespace pilvi::api {
namespace {

std::string id_column(const Resource& resource) { return column_of(resource.fields.front()); }

// " AND column = ?" for every path parameter besides the id that is a field: a row of a nested path is known by all of them.
std::string path_condition(const Call& call, const Resource& resource, Values& parameters) {
    std::string sql;
    for (const auto& [name, value] : call.path)
        if (const Field* field = name == "id" ? nullptr : find_field(resource, name)) {
            sql += " AND " + column_of(*field) + " = ?";
            parameters.emplace_back(value);
        }
    return sql;
}

json::object written_row(const Call& call, Tx& tx, const Resource& resource, std::string_view id) {
    Values parameters{Value(id)};
    const std::string condition = path_condition(call, resource, parameters);
    return row_to_object(resource, *tx.one("SELECT " + select_columns(resource) + " FROM " + std::string(resource.table) + " t WHERE t." +
                                               id_column(resource) + " = ?" + condition,
                                           parameters));
}

json::object policy_target(Call& call, Tx& tx, const Resource& resource, const json::object& row) {
    json::object target = row;
    for (const Field& f : resource.fields)
        if (!f.alias.empty())
            if (const json::value* v = row.if_contains(f.name)) target[f.alias] = *v;
    if (const auto id = call.path.find("id"); id != call.path.end() && call.service.style().dialect == Dialect::identity)
        target[std::string(resource.name) + "_id"] = id->second;  // the name of the path's parameter in Keystone, which its rules use
    if (resource.hooks.target) resource.hooks.target(call, tx, row, target);
    return target;
}

std::string_view rule_of(const Call& call, const Resource& resource, const Operation& operation, const json::object& row) {
    return !operation.other_policy.empty() && resource.hooks.is_other(call, row) ? operation.other_policy : operation.policy;
}

// The row of the path; where there is none, those whom the rule refuses anyway need not learn it (Resource::hides).
json::object load_item(Call& call, Tx& tx, const Resource& resource, const Operation& operation) {
    try {
        return load(call, tx, resource, call.arg("id"));
    } catch (const Error& error) {
        if (error.code() == Errc::not_found && (resource.hides & bit(operation.verb)) != 0)
            call.enforce(operation.policy, {{"target", json::object()}});  // of what kind it would be is not known
        throw;
    }
}

// A field with a write check needs that check where the body sets it.
void check_writes(Call& call, const Resource& resource, const json::object& body, const json::object& target, std::string_view rule) {
    for (const Field& f : resource.fields)
        if (!f.write_check.empty() && body.contains(f.name) && !call.service.policy().allows_check(f.write_check, call.who, target))
            throw Error(Errc::forbidden, "(rule:" + std::string(rule) + ":" + std::string(f.name) + ") is disallowed by policy",
                        "PolicyNotAuthorized");
}

json::value wrap(Call& call, const Resource& resource, json::object object) {
    if (!call.service.style().wrapped) return object;
    return json::object{{resource.name, std::move(object)}};
}

json::object viewed(Call& call, Tx& tx, const Resource& resource, json::object row) {
    if (resource.hooks.view) resource.hooks.view(call, tx, std::span(&row, 1));
    return render(call, resource, row);
}

Reply run_list(Call& call, const Resource& resource, const Operation& operation) {
    call.enforce(rule_of(call, resource, operation, {}));
    return call.store().read([&](Tx& tx) -> Reply {
        const Select select = build_select(call, tx, resource);
        return list_reply(call, tx, resource, select, tx.query(select.text(select_columns(resource), resource.table), select.parameters));
    });
}

Reply run_show(Call& call, const Resource& resource, const Operation& operation) {
    return call.store().read([&](Tx& tx) -> Reply {
        json::object row = load_item(call, tx, resource, operation);
        const json::object target = policy_target(call, tx, resource, row);
        const std::string_view rule = rule_of(call, resource, operation, row);
        if (!call.allowed(rule, target) && call.service.style().dialect == Dialect::network)
            throw not_found(call.service.style().dialect, resource, call.arg("id"));
        call.enforce(rule, target);
        return wrap(call, resource, viewed(call, tx, resource, std::move(row)));
    });
}

// The owner of a new object: the caller's project, or the one that the body names.
void set_owner(const Call& call, const Resource& resource, json::object& row) {
    if (resource.scope.empty()) return;
    const json::value* given = row.if_contains(resource.scope);
    if (!given || given->is_null()) {
        row[resource.scope] = call.who.project_id;
    } else if (call.service.style().dialect == Dialect::network && !call.who.is_admin && str(given->as_string()) != call.who.project_id) {
        throw Error(Errc::bad_request, "Specifying 'project_id' other than the authenticated project in request requires admin privileges",
                    "HTTPBadRequest");
    }
}

// What the body itself said of one object: defaults are nobody's wish, so only this needs write checks.
const json::object& sent_object(const Call& call, const Resource& resource, const json::value* bulk_item) {
    static const json::object none;
    const json::value* sent = bulk_item ? bulk_item : &call.raw;
    if (!bulk_item && call.service.style().wrapped && sent->is_object()) sent = sent->get_object().if_contains(resource.name);
    return sent && sent->is_object() ? sent->get_object() : none;
}

json::object new_row(const Call& call, const Resource& resource, json::object row) {
    if (const auto named = call.path.find("id"); named != call.path.end()) row[resource.fields.front().name] = named->second;
    set_owner(call, resource, row);
    return row;
}

Reply run_create(Call& call, const Resource& resource, const Operation& operation) {
    const json::array* bulk = nullptr;
    if (resource.bulk)
        if (const json::value* items = call.body.if_contains(resource.plural)) bulk = items->if_array();
    return call.store().write([&](Tx& tx) -> Reply {
        const auto create_one = [&](json::object wanted, const json::value* bulk_item) {
            json::object row = new_row(call, resource, std::move(wanted));
            const json::object target = policy_target(call, tx, resource, row);
            const std::string_view rule = rule_of(call, resource, operation, row);
            call.enforce(rule, target);
            check_writes(call, resource, sent_object(call, resource, bulk_item), target, rule);
            return viewed(call, tx, resource, insert_row(call, tx, resource, std::move(row)));
        };
        if (!bulk) return wrap(call, resource, create_one(call.body, nullptr));
        const json::array& sent = call.raw.get_object().at(resource.plural).get_array();
        json::array made;
        for (std::size_t i = 0; i < bulk->size(); ++i) made.push_back(create_one((*bulk)[i].as_object(), &sent[i]));
        return json::object{{resource.plural, std::move(made)}};
    });
}

// If-Match: revision_number=N (neutron's revision-if-match).
void check_revision(const Call& call, const Resource& resource, const json::object& row) {
    const std::string_view wanted = call.request.headers.get("If-Match");
    if (!resource.revision || wanted.empty()) return;
    constexpr std::string_view prefix = "revision_number=";
    const auto number = wanted.starts_with(prefix) ? parse_integer(wanted.substr(prefix.size())) : std::nullopt;
    if (!number) throw Error(Errc::bad_request, "Invalid value in If-Match: " + std::string(wanted.substr(0, 100)), "RevisionNumberConstraintFailed");
    if (*number != integer_or(row, "revision_number"))
        throw Error(Errc::precondition_failed,
                    "Constrained to " + std::to_string(*number) + ", but current revision is " + std::to_string(integer_or(row, "revision_number")),
                    "RevisionNumberConstraintFailed");
}

Reply run_update(Call& call, const Resource& resource, const Operation& operation) {
    return call.store().write([&](Tx& tx) -> Reply {
        const std::string& id = call.arg("id");
        const json::object before = load_item(call, tx, resource, operation);
        const json::object target = policy_target(call, tx, resource, before);
        const std::string_view rule = rule_of(call, resource, operation, before);
        call.enforce(rule, target);
        check_writes(call, resource, call.body, target, rule);
        check_revision(call, resource, before);
        json::object row = before;
        for (const auto& member : call.body) row[member.key()] = member.value();
        update_row(call, tx, resource, row, before);
        return wrap(call, resource, viewed(call, tx, resource, written_row(call, tx, resource, id)));
    });
}

Reply run_remove(Call& call, const Resource& resource, const Operation& operation) {
    return call.store().write([&](Tx& tx) -> Reply {
        const json::object row = load_item(call, tx, resource, operation);
        call.enforce(rule_of(call, resource, operation, row), policy_target(call, tx, resource, row));
        check_revision(call, resource, row);
        remove_row(call, tx, resource, row);
        return {};
    });
}

}  // namespace

std::optional<json::object> find_row(Tx& tx, const Resource& resource, std::string_view id) {
    const auto row =
        tx.one("SELECT " + select_columns(resource) + " FROM " + std::string(resource.table) + " t WHERE t." + id_column(resource) + " = ?", {id});
    if (!row) return std::nullopt;
    return row_to_object(resource, *row);
}

json::object load(Call& call, Tx& tx, const Resource& resource, std::string_view id) {
    Values parameters{Value(id)};
    std::string sql = "SELECT " + select_columns(resource) + " FROM " + std::string(resource.table) + " t WHERE t." + id_column(resource) + " = ?";
    std::string visible;
    if (resource.hooks.visible) {
        visible = resource.hooks.visible(call, parameters);
    } else if (!resource.scope.empty() && !call.who.is_admin) {
        visible = "t." + column_of(*find_field(resource, resource.scope)) + " = ?";
        parameters.emplace_back(call.who.project_id);
    }
    if (!visible.empty()) sql += " AND (" + visible + ")";
    sql += path_condition(call, resource, parameters);
    const auto row = tx.one(sql, parameters);
    if (!row) throw not_found(call.service.style().dialect, resource, id);
    return row_to_object(resource, *row);
}

json::object insert_row(Call& call, Tx& tx, const Resource& resource, json::object row) {
    const Field& id = resource.fields.front();
    if (!row.contains(id.name) || row[id.name].is_null()) row[id.name] = resource.hex_id ? new_hex_id() : new_uuid();
    for (const auto& [name, value] : call.path)
        if (const Field* field = name == "id" ? nullptr : find_field(resource, name)) row[field->name] = value;
    for (const Field& f : resource.fields)
        if (!row.contains(f.name) && !f.fallback.empty()) row[f.name] = parse_json(f.fallback);
    if (!resource.quota.empty() && !resource.scope.empty()) {
        const std::string owner = string_or(row, resource.scope);
        const std::int64_t used =
            tx.scalar("SELECT count(*) FROM " + std::string(resource.table) + " WHERE " + column_of(*find_field(resource, resource.scope)) + " = ?",
                      {owner})
                .integer();
        call.service.check_quota(tx, owner, resource.quota, used, 1);
    }
    if (resource.hooks.before_write) resource.hooks.before_write(call, tx, row, nullptr);
    auto columns = object_to_columns(resource, row);
    if (resource.timestamps) {
        const Micros now = now_micros();
        columns.emplace_back("created_at", now);
        columns.emplace_back(
            "updated_at", call.service.style().dialect == Dialect::network || call.service.style().dialect == Dialect::image ? Value(now) : Value());
    }
    if (resource.revision) columns.emplace_back("revision_number", std::int64_t{1});
    tx.insert(resource.table, columns);
    if (resource.hooks.after_write) resource.hooks.after_write(call, tx, row, nullptr);
    json::object written = written_row(call, tx, resource, str(row[id.name].as_string()));
    for (const Field& f : resource.fields)  // computed fields live on for the view
        if (!stored(f) && row.contains(f.name)) written[f.name] = row[f.name];
    return written;
}

void update_row(Call& call, Tx& tx, const Resource& resource, json::object row, const json::object& before) {
    const std::string_view id = resource.fields.front().name;
    if (resource.hooks.before_write) resource.hooks.before_write(call, tx, row, &before);
    json::object changed;
    for (const auto& member : row)
        if (const json::value* old = before.if_contains(member.key()); !old || *old != member.value() || !resource.extra_column.empty())
            if (member.key() != id) changed[member.key()] = member.value();
    auto columns = object_to_columns(resource, changed);
    if (resource.timestamps) columns.emplace_back("updated_at", now_micros());
    if (resource.revision) columns.emplace_back("revision_number", integer_or(before, "revision_number") + 1);
    if (!columns.empty()) {
        std::string sql = "UPDATE " + std::string(resource.table) + " SET ";
        Values parameters;
        for (auto& [name, value] : columns) {
            sql += (parameters.empty() ? "" : ", ") + name + " = ?";
            parameters.push_back(std::move(value));
        }
        parameters.emplace_back(string_or(before, id));
        const std::string condition = path_condition(call, resource, parameters);
        tx.exec(sql + " WHERE " + id_column(resource) + " = ?" + condition, parameters);
    }
    if (resource.hooks.after_write) resource.hooks.after_write(call, tx, row, &before);
}

void remove_row(Call& call, Tx& tx, const Resource& resource, const json::object& row) {
    if (resource.hooks.before_remove) resource.hooks.before_remove(call, tx, row);
    Values parameters{string_or(row, resource.fields.front().name)};
    const std::string condition = path_condition(call, resource, parameters);
    tx.exec("DELETE FROM " + std::string(resource.table) + " WHERE " + id_column(resource) + " = ?" + condition, parameters);
    if (resource.hooks.after_remove) resource.hooks.after_remove(call, tx, row);
}

void enforce_operation(Call& call, const Resource& resource, const Operation& operation) {
    call.store().read([&](Tx& tx) {
        json::object row;
        if (operation.verb == Verb::create) {
            row = new_row(call, resource, sent_object(call, resource, nullptr));
        } else {
            try {
                row = load_item(call, tx, resource, operation);
            } catch (const Error& error) {
                if (error.code() != Errc::not_found || (resource.hides & bit(operation.verb)) == 0) throw;
                return;  // the caller may, whatever it is: what is wrong with the body comes first
            }
        }
        call.enforce(rule_of(call, resource, operation, row), policy_target(call, tx, resource, row));
    });
}

Reply run_operation(Call& call, const Resource& resource, const Operation& operation) {
    if (resource.hooks.prepare) resource.hooks.prepare(call);
    switch (operation.verb) {
        case Verb::list:
            return run_list(call, resource, operation);
        case Verb::show:
            return run_show(call, resource, operation);
        case Verb::create:
            return run_create(call, resource, operation);
        case Verb::update:
            return run_update(call, resource, operation);
        case Verb::remove:
            return run_remove(call, resource, operation);
    }
    throw Error(Errc::internal, "unknown verb");
}

}  // namespace pilvi::api
