namespace Identity.Tests.Conformance;

/// <summary>The plan <c>oidcc-basic-certification-test-plan</c>: answers by redirect.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class BasicModuleTests(ConformanceWorld world) : CodeFlowModules(world, formPost: false);
