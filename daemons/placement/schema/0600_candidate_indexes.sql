-- Providers of a class with at least so much room, the roomiest first, without looking at the others.
CREATE INDEX inventories_by_room ON inventories (resource_class, ((total - reserved) * allocation_ratio - used), provider_uuid);
DROP INDEX inventories_by_class;
-- Whole trees, and roots in the order of their ids, from the index alone.
CREATE INDEX resource_providers_by_tree ON resource_providers (root_uuid, uuid, parent_uuid);
DROP INDEX resource_providers_by_root;
CREATE INDEX resource_providers_by_parent_and_uuid ON resource_providers (parent_uuid, uuid);
DROP INDEX resource_providers_by_parent;
-- From an aggregate to its members and from a trait to its providers, from the index alone.
CREATE INDEX provider_aggregates_members ON provider_aggregates (aggregate_uuid, provider_uuid);
DROP INDEX provider_aggregates_by_aggregate;
CREATE INDEX provider_traits_providers ON provider_traits (trait, provider_uuid);
DROP INDEX provider_traits_by_trait;
