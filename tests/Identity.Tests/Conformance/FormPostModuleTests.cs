namespace Identity.Tests.Conformance;

/// <summary>The plan <c>oidcc-formpost-basic-certification-test-plan</c>: every answer, an error too, is posted by a form and never in the query.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class FormPostModuleTests(ConformanceWorld world) : CodeFlowModules(world, formPost: true);
